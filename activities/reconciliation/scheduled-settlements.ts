/** Scheduled settlements. The worker accepts their rows, as the API accepts those of callers. */
import { businessIdOf, gidOf, type Gid } from '../../contracts/engine/ids';
import type { Currency } from '../../contracts/engine/money';
import type { SettlementScope } from '../../contracts/engine/reconciliation';
import { settlementPageRows, type SettlementInput } from '../../contracts/participants/settlements';
import { deadlineMs, undoBudgetShare } from '../../contracts/engine/transaction';
import { insertAccepted } from '../fence/accepted-runs';
import type { SqlTransaction } from '../fence/participant';
import { inSqlTransaction, type Budget, type SqlPool } from '../fence/sql-transaction';

/** Operation of such a row. It has no idempotency key, whose operation would be a method and a route. */
const operation = 'schedule settlement';
const requestedBy = 'schedule';

/**
 * One page of tenants and currencies with unsettled movements, up to the end of the day. It goes over the pairs of
 * tenant and currency in the index. So it reads one row for each pair, however many movements there are. The movements
 * themselves name the currencies, so none is left out.
 *
 * @param page `rows`: pairs to check, with those that have no such movements.
 */
export async function settlementsDue(
  accounts: SqlPool,
  page: {
    readonly day: string;
    readonly after: SettlementScope | null;
    readonly rows: number;
  },
): Promise<{ readonly due: readonly SettlementScope[]; readonly next: SettlementScope | null }> {
  const due: SettlementScope[] = [];
  let scope = page.after;
  for (let looked = 0; looked < page.rows; looked += 1) {
    scope = await scopeBehind(accounts, scope);
    if (scope === null) return { due, next: null };
    if (await isDue(accounts, scope, page.day)) due.push(scope);
  }
  return { due, next: scope };
}

async function scopeBehind(
  accounts: SqlPool,
  after: SettlementScope | null,
): Promise<SettlementScope | null> {
  const first = async (where: string, values: readonly string[]) => {
    const [found] = await accounts.select<{ readonly tenant: string; readonly currency: Currency }>(
      `SELECT tenant, currency FROM merchant_movements FORCE INDEX (open_by_day)
         WHERE ${where} ORDER BY tenant, currency LIMIT 1`,
      values,
    );
    return found ?? null;
  };
  const ofSameTenant =
    after && (await first('tenant = ? AND currency > ?', [after.tenant, after.currency]));
  return ofSameTenant ?? first('tenant > ?', [after?.tenant ?? '']);
}

/** The oldest unsettled movement decides. */
async function isDue(
  accounts: SqlPool,
  { tenant, currency }: SettlementScope,
  day: string,
): Promise<boolean> {
  const [oldest] = await accounts.select<{ readonly isDue: string }>(
    `SELECT occurred_at < CAST(? AS DATE) + INTERVAL 1 DAY AS isDue
       FROM merchant_movements FORCE INDEX (open_by_day)
       WHERE tenant = ? AND currency = ? AND settlement_id IS NULL ORDER BY occurred_at LIMIT 1`,
    [day, tenant, currency],
  );
  return Number(oldest?.isDue ?? 0) === 1;
}

interface Settlement extends SettlementScope {
  readonly day: string;
  readonly deadlineAt: number;
}

/**
 * Writes the row, unless it exists, and marks it as sent before the start is sent: a cancel that finds it unsent would
 * end the row without its run.
 *
 * @returns the input of its run; `null`: the settlement has ended.
 */
export async function acceptSettlement(
  accord: SqlPool,
  cluster: string,
  budget: Budget,
  settlement: Settlement,
): Promise<{ readonly gid: Gid; readonly input: object } | null> {
  const input = inputOf(settlement);
  return inSqlTransaction(accord, budget, async (sql) => {
    const isNew = await insert(sql, cluster, input);
    if (isNew) return { gid: input.gid, input };
    await sql.change(
      'UPDATE runs SET start_sent_at = UTC_TIMESTAMP(3) WHERE gid = ? AND ended_at IS NULL',
      [input.gid],
    );
    const [run] = await sql.select<{ readonly input: Buffer | null }>(
      'SELECT input FROM runs WHERE gid = ? AND ended_at IS NULL',
      [input.gid],
    );
    if (!run) return null;
    const kept = run.input ? (JSON.parse(run.input.toString('utf8')) as SettlementInput) : input;
    return { gid: input.gid, input: kept };
  });
}

function inputOf({ tenant, currency, day, deadlineAt }: Settlement): SettlementInput {
  const settlementId = businessIdOf(tenant, `${currency}-${day}`);
  return {
    gid: gidOf('settlement', settlementId),
    tenant,
    flow: 'settlement',
    deadlineAt,
    undoBudgetMs: Math.floor(deadlineMs.default * undoBudgetShare),
    settlementId,
    currency,
    day,
    requestedBy,
    pageRows: settlementPageRows,
  };
}

/** @returns false where the row was there before. */
async function insert(
  sql: SqlTransaction,
  cluster: string,
  input: SettlementInput,
): Promise<boolean> {
  const { gid, currency, day } = input;
  const [hub] = await sql.select<{ readonly region: string; readonly epoch: number }>(
    'SELECT region, epoch FROM cluster_state WHERE cluster = ? FOR SHARE',
    [cluster],
  );
  if (!hub) throw new Error(`No row of cluster_state for ${cluster}.`);
  const found = await sql.select('SELECT gid FROM runs WHERE gid = ?', [gid]);
  if (found.length > 0) return false;
  // Another worker may insert it now: then this fails, and the next try finds the row.
  await insertAccepted(sql, { input, reference: `${currency}-${day}`, operation, ...hub });
  return true;
}
