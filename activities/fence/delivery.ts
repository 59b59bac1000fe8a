import type { Budget } from './sql-transaction';

/** One arrival of a call at a participant: from Temporal's activity context in a worker, a plain object in a test. */
export interface Delivery extends Budget {
  /** When the attempt was scheduled, in milliseconds since 1970: how old the delivery is. */
  readonly issuedAt: number;
  /** W3C trace context that the events of this delivery carry on; `null` where nothing is traced. */
  readonly traceparent: string | null;
}
