/**
 * Settlements: the movements of merchant accounts, claimed page by page and netted. Each belongs to one settlement for
 * good. No payout is booked: a settlement is a netting and a report (docs/decisions/0013).
 */
import type { BusinessId } from '../../contracts/engine/ids';
import type {
  ClaimSettlementPage,
  CloseSettlement,
  OpenSettlement,
} from '../../contracts/participants/settlements';
import type { ActImplementation } from '../fence/implement';
import type { Decided, SqlTransaction } from '../fence/participant';
import { chunksOf, effectOf, expectRows } from '../fence/set-statements';
import { broken } from './money-rows';
import { moneyEvent, type AccountsEvent } from './events';

interface Settlement {
  readonly settlement_id: BusinessId;
  readonly tenant: string;
  readonly currency: string;
  readonly state: 'open' | 'closed';
}

/** Sums of one merchant's movements of a page. */
interface Position {
  readonly account_id: BusinessId;
  /** Counts and sums, as digits. */
  readonly movements: string;
  readonly credited: string;
  readonly debited: string;
}

/** `openSettlement`, the pivot: writes the settlement of a tenant, currency and day once. */
export const openSettlement: ActImplementation<OpenSettlement, null, AccountsEvent> = {
  content: ({ settlementId, tenant, currency, day }) => ({ settlementId, tenant, currency, day }),
  rows: () => 1,
  async effect(sql, requests) {
    const decided: Decided<null, AccountsEvent>[] = [];
    for (const request of requests) decided.push(await open(sql, request));
    return decided;
  },
};

async function open(
  sql: SqlTransaction,
  request: OpenSettlement,
): Promise<Decided<null, AccountsEvent>> {
  const { key, settlementId, tenant, currency, day, requestedBy } = request;
  const [clock] = await sql.select<{ readonly isOver: string }>(
    'SELECT UTC_TIMESTAMP(3) >= CAST(? AS DATE) + INTERVAL 1 DAY AS isOver',
    [day],
  );
  if (Number(clock?.isOver) !== 1) {
    return { key, ok: false, failure: 'NotYet', detail: `${day} (UTC) is not over yet.` };
  }
  const { gid } = effectOf(key);
  await sql.change(
    `INSERT INTO settlements (settlement_id, tenant, currency, day, closes_at, requested_by, gid)
       VALUES (?, ?, ?, ?, CAST(? AS DATE) + INTERVAL 1 DAY, ?, ?)`,
    [settlementId, tenant, currency, day, day, requestedBy, gid],
  );
  const event = moneyEvent('settlement.opened', { settlementId, currency, day });
  return { key, ok: true, result: null, event };
}

/** `claimSettlementPage`: the oldest open movements before the settlement's end, and the merchants' positions. */
export const claimSettlementPage: ActImplementation<
  ClaimSettlementPage,
  { readonly claimed: number },
  AccountsEvent
> = {
  content: ({ settlementId, page, rows }) => ({ settlementId, page, rows }),
  rows: ({ rows }) => rows,
  async effect(sql, requests) {
    const settlements = await lockSettlements(sql, requests);
    const decided: Decided<{ readonly claimed: number }, AccountsEvent>[] = [];
    for (const request of requests) {
      const settlement = settlements.get(request.settlementId);
      decided.push(
        settlement?.state === 'open'
          ? await claim(sql, request, settlement)
          : broken(request.key, `${request.settlementId} is ${settlement?.state ?? 'missing'}.`),
      );
    }
    return decided;
  },
};

async function claim(
  sql: SqlTransaction,
  { key, settlementId, page, rows }: ClaimSettlementPage,
  { tenant, currency }: Settlement,
): Promise<Decided<{ readonly claimed: number }, AccountsEvent>> {
  // Locked in the order of the index that finds them: settlements that run together wait, and form no circle.
  const found = await sql.select<{ readonly id: string }>(
    `SELECT m.id FROM merchant_movements m FORCE INDEX (open_by_day)
       WHERE m.tenant = ? AND m.currency = ? AND m.settlement_id IS NULL
         AND m.occurred_at < (SELECT closes_at FROM settlements WHERE settlement_id = ?)
       ORDER BY m.occurred_at, m.id LIMIT ? FOR UPDATE`,
    [tenant, currency, settlementId, rows],
  );
  for (const ids of chunksOf(found.map(({ id }) => id))) {
    const changed = await sql.change(
      `UPDATE merchant_movements FORCE INDEX (PRIMARY) SET settlement_id = ?, settlement_page = ?
         WHERE id IN (?) AND settlement_id IS NULL`,
      [settlementId, page, ids],
    );
    expectRows('merchant_movements', changed, ids.length);
  }
  await addPositions(sql, settlementId, page, currency);
  const claimed = found.length;
  const event = moneyEvent('settlement.pageClaimed', { settlementId, page, claimed });
  return { key, ok: true, result: { claimed }, event };
}

async function addPositions(
  sql: SqlTransaction,
  settlementId: BusinessId,
  page: number,
  currency: string,
): Promise<void> {
  const positions = await sql.select<Position>(
    `SELECT account_id, COUNT(*) AS movements, SUM(GREATEST(amount, 0)) AS credited,
            SUM(GREATEST(-amount, 0)) AS debited
       FROM merchant_movements WHERE settlement_id = ? AND settlement_page = ?
       GROUP BY account_id ORDER BY account_id`,
    [settlementId, page],
  );
  const rows = positions.map(({ account_id, movements, credited, debited }) => {
    const net = BigInt(credited) - BigInt(debited);
    return [
      settlementId,
      account_id,
      currency,
      BigInt(movements),
      BigInt(credited),
      BigInt(debited),
      net,
    ];
  });
  for (const values of chunksOf(rows)) {
    await sql.change(
      `INSERT INTO settlement_positions (settlement_id, account_id, currency, movements, credited, debited, net)
         VALUES ? AS page
         ON DUPLICATE KEY UPDATE movements = settlement_positions.movements + page.movements,
           credited = settlement_positions.credited + page.credited,
           debited = settlement_positions.debited + page.debited,
           net = settlement_positions.net + page.net`,
      [values],
    );
  }
}

/** `closeSettlement`: from now on its report is final. */
export const closeSettlement: ActImplementation<CloseSettlement, null, AccountsEvent> = {
  content: ({ settlementId }) => ({ settlementId }),
  rows: () => 1,
  async effect(sql, requests) {
    const settlements = await lockSettlements(sql, requests);
    const decided: Decided<null, AccountsEvent>[] = [];
    for (const { key, settlementId } of requests) {
      const settlement = settlements.get(settlementId);
      decided.push(
        settlement?.state === 'open'
          ? await close(sql, key, settlementId)
          : broken(key, `${settlementId} is ${settlement?.state ?? 'missing'}.`),
      );
    }
    return decided;
  },
};

async function close(
  sql: SqlTransaction,
  key: string,
  settlementId: BusinessId,
): Promise<Decided<null, AccountsEvent>> {
  const [totals] = await sql.select<{
    readonly pages: string;
    readonly movements: string;
    readonly credited: string;
    readonly debited: string;
  }>(
    `SELECT (SELECT COALESCE(MAX(settlement_page), 0) FROM merchant_movements WHERE settlement_id = ?) AS pages,
            COALESCE(SUM(movements), 0) AS movements, COALESCE(SUM(credited), 0) AS credited,
            COALESCE(SUM(debited), 0) AS debited
       FROM settlement_positions WHERE settlement_id = ?`,
    [settlementId, settlementId],
  );
  if (!totals) throw new Error(`${settlementId} has no totals.`);
  const { pages, movements, credited, debited } = totals;
  await sql.change(
    `UPDATE settlements SET state = 'closed', closed_at = UTC_TIMESTAMP(3), pages = ?, movements = ?,
       credited = ?, debited = ? WHERE settlement_id = ?`,
    [BigInt(pages), BigInt(movements), BigInt(credited), BigInt(debited), settlementId],
  );
  const event = moneyEvent('settlement.closed', {
    settlementId,
    movements,
    credited,
    debited,
  });
  return { key, ok: true, result: null, event };
}

async function lockSettlements(
  sql: SqlTransaction,
  requests: readonly { readonly settlementId: BusinessId }[],
): Promise<ReadonlyMap<BusinessId, Settlement>> {
  const ids = [...new Set(requests.map(({ settlementId }) => settlementId))].sort();
  const rows = await sql.select<Settlement>(
    `SELECT settlement_id, tenant, currency, state
       FROM settlements FORCE INDEX (PRIMARY) WHERE settlement_id IN (?) ORDER BY settlement_id FOR UPDATE`,
    [ids],
  );
  return new Map(rows.map((row) => [row.settlement_id, row]));
}
