/** Activities of the job `settleDay`: what is due, and the rows of scheduled settlements. */
import { settlement as flow } from '../../contracts/flows/settlement';
import { businessIdOf } from '../../contracts/engine/ids';
import type { Currency } from '../../contracts/engine/money';
import type { TransactionInput } from '../../contracts/engine/transaction';
import {
  settlementPageRows,
  type SettleDayActivities,
  type SettlementInput,
  type SettlementScope,
} from '../../contracts/participants/settlements';
import type { AcceptedStart, JobTransaction } from '../fence/accepted-runs';
import type { SqlPool } from '../fence/sql-transaction';

export interface SettleDayDependencies {
  readonly accounts: SqlPool;
  /** Writes the row of a transaction, unless it exists. */
  readonly accept: (transaction: JobTransaction) => Promise<AcceptedStart | null>;
}

export const createSettleDay = ({
  accounts,
  accept,
}: SettleDayDependencies): SettleDayActivities => ({
  settlementsDue: (page) => settlementsDue(accounts, page),
  acceptSettlement: (settlement) => accept(transactionOf(settlement)),
});

function transactionOf({
  tenant,
  currency,
  day,
  deadlineAt,
}: Parameters<SettleDayActivities['acceptSettlement']>[0]): JobTransaction {
  const settlementId = businessIdOf(tenant, `${currency}-${day}`);
  const fields: Omit<SettlementInput, keyof TransactionInput> = {
    settlementId,
    currency,
    day,
    requestedBy: 'schedule',
    pageRows: settlementPageRows,
  };
  return {
    flow: flow.name,
    businessId: settlementId,
    operation: 'schedule settlement',
    deadlineAt,
    fields,
  };
}

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
