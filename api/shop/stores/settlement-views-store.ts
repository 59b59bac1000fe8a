import type { BusinessId } from '../../../contracts/engine/ids';
import type { Currency } from '../../../contracts/engine/money';
import type { Database } from '../../stores/database';

export const settlementStatuses = ['open', 'closed'] as const;

export interface SettlementView {
  readonly settlementId: BusinessId;
  readonly currency: Currency;
  /** UTC, `2026-11-20`. */
  readonly day: string;
  readonly status: (typeof settlementStatuses)[number];
  readonly movements: number;
  /** Digits, as the next two: sums over all merchants. */
  readonly credited: string;
  readonly debited: string;
  readonly net: string;
  readonly requestedBy: string;
  readonly openedAt: Date;
  readonly closedAt: Date | null;
}

/** What one merchant account gained and lost in a settlement; sums are digits. */
export interface PositionView {
  readonly accountId: BusinessId;
  readonly movements: number;
  readonly credited: string;
  readonly debited: string;
  readonly net: string;
}

/** Settlements and their positions, read only. The tenant is part of every id. */
export function createSettlementViewsStore(database: Database) {
  return {
    async find(settlementId: BusinessId): Promise<SettlementView | undefined> {
      const [view] = await database.select<SettlementView>(
        `SELECT settlement_id AS settlementId, currency, DATE_FORMAT(day, '%Y-%m-%d') AS day,
           state AS status, movements, CAST(credited AS CHAR) AS credited, CAST(debited AS CHAR) AS debited,
           CAST(credited - debited AS CHAR) AS net, requested_by AS requestedBy, opened_at AS openedAt,
           closed_at AS closedAt
         FROM settlements WHERE settlement_id = ?`,
        [settlementId],
      );
      return view;
    },

    /** Positions by account, from behind `after`. */
    positions: (
      settlementId: BusinessId,
      limit: number,
      after = '',
    ): Promise<readonly PositionView[]> =>
      database.select<PositionView>(
        `SELECT account_id AS accountId, movements, CAST(credited AS CHAR) AS credited,
           CAST(debited AS CHAR) AS debited, CAST(net AS CHAR) AS net
         FROM settlement_positions WHERE settlement_id = ? AND account_id > ? ORDER BY account_id LIMIT ?`,
        [settlementId, after, limit],
      ),
  };
}
export type SettlementViewsStore = ReturnType<typeof createSettlementViewsStore>;
