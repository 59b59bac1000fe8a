/** What a list is asked for, and the conditions that say it. */
import type { Flow, Tenant } from '../../../contracts/engine/ids';
import type { HandState } from '../../../contracts/engine/resolutions';
import type { EarlyStatus, RunState } from '../../../contracts/engine/transaction';
import type { SqlValue } from '../database';

/** What is asked of a list; what is left out asks nothing. */
export interface RunFilter {
  readonly flow?: Flow | undefined;
  readonly states?: readonly RunState[] | undefined;
  readonly stuck?: boolean | undefined;
  readonly reasons?: readonly string[] | undefined;
  readonly step?: string | undefined;
  readonly early?: EarlyStatus | undefined;
  readonly reference?: string | undefined;
  readonly byHand?: readonly HandState[] | undefined;
  readonly lane?: 'single' | 'batch' | undefined;
  readonly region?: string | undefined;
  readonly currency?: string | undefined;
  readonly minAtRisk?: number | undefined;
  readonly acceptedAfter?: Date | undefined;
  readonly acceptedBefore?: Date | undefined;
  /** Age by the clock of MySQL, which stamped the acceptance. */
  readonly olderThanMs?: number | undefined;
}

/** A condition of a list, and what fills its placeholders. */
export type Condition = readonly [sql: string, values: readonly SqlValue[]];

/** All conditions of a list. */
export function conditionsOf(tenant: Tenant, filter: RunFilter): readonly Condition[] {
  const conditions: Condition[] = [['tenant = ?', [tenant]]];
  const add = (sql: string, value: SqlValue | undefined): void => {
    if (value !== undefined) conditions.push([sql, [value]]);
  };
  add('flow = ?', filter.flow);
  add('state IN (?)', filter.states);
  add('reason IN (?)', filter.reasons);
  add('step = ?', filter.step);
  add('early_status = ?', filter.early);
  add('reference = ?', filter.reference);
  add('by_hand IN (?)', filter.byHand);
  add('lane = ?', filter.lane);
  add('region = ?', filter.region);
  add('at_risk_currency = ?', filter.currency);
  add('at_risk_minor >= ?', filter.minAtRisk);
  add('accepted_at >= ?', filter.acceptedAfter);
  add('accepted_at < ?', filter.acceptedBefore);
  add(isOlder, filter.olderThanMs);
  if (filter.stuck !== undefined) {
    conditions.push([filter.stuck ? 'stuck_since IS NOT NULL' : 'stuck_since IS NULL', []]);
  }
  return conditions;
}

/** Its one value: milliseconds. */
const isOlder = 'accepted_at < UTC_TIMESTAMP(3) - INTERVAL ? * 1000 MICROSECOND';

/** Every index ends with the order of the list, so these are its ranges. */
export const placeOf = ({
  acceptedAfter,
  acceptedBefore,
  olderThanMs,
}: RunFilter): readonly Condition[] => [
  ...(acceptedAfter ? [['accepted_at >= ?', [acceptedAfter]] as const] : []),
  ...(acceptedBefore ? [['accepted_at < ?', [acceptedBefore]] as const] : []),
  ...(olderThanMs === undefined ? [] : [[isOlder, [olderThanMs]] as const]),
];
