/** Sets money aside and gives it back. Callers have locked the holds, and all rows that are locked before accounts. */
import { stepKeyOf, type StepKey } from '../../contracts/engine/ids';
import type { SqlTransaction } from '../fence/participant';
import { chunksOf, effectOf } from '../fence/set-statements';
import {
  Deltas,
  endHolds,
  insertHolds,
  lockAccounts,
  moveMoney,
  openHold,
  type Holds,
  type NewHold,
} from './money-rows';

/** Turns free money into held money. The accounts are locked, and have enough. */
export async function setAside(sql: SqlTransaction, holds: readonly NewHold[]): Promise<void> {
  const deltas = new Deltas();
  for (const { accountId, amount } of holds) {
    const minor = BigInt(amount.minorUnits);
    deltas.add(accountId, { balance: -minor, held: minor });
  }
  await moveMoney(sql, deltas);
  await insertHolds(sql, holds);
}

/** Held money becomes free again. */
export async function release(
  sql: SqlTransaction,
  keys: readonly StepKey[],
  holds: Holds,
): Promise<void> {
  const deltas = new Deltas();
  for (const key of keys) {
    const { account_id, amount } = openHold(holds, key);
    deltas.add(account_id, { balance: BigInt(amount), held: -BigInt(amount) });
  }
  await lockAccounts(sql, deltas.accountIds());
  await moveMoney(sql, deltas);
  await endHolds(sql, keys, 'released');
}

/** Which of these holds were captured. That is final, so they are read without a lock. */
export async function capturedAmong(
  sql: SqlTransaction,
  keys: readonly StepKey[],
): Promise<ReadonlySet<StepKey>> {
  const captured = new Set<StepKey>();
  for (const effects of chunksOf(keys.map(effectOf))) {
    const rows = await sql.select<{ readonly gid: string; readonly branch: string }>(
      `SELECT gid, branch FROM holds FORCE INDEX (PRIMARY) WHERE (gid, branch) IN (?) AND state = 'captured'`,
      [effects.map(({ gid, branch }) => [gid, branch])],
    );
    for (const { gid, branch } of rows) captured.add(stepKeyOf(gid, branch));
  }
  return captured;
}
