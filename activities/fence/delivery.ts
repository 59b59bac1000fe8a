import type { Budget } from './sql-transaction';

/** One arrival of a call at a participant: from Temporal's activity context in a worker, a plain object in a test. */
export interface Delivery extends Budget {
  /** Time when the attempt was scheduled, in milliseconds since 1970. It gives the age of the delivery. */
  readonly issuedAt: number;
  /** W3C trace context for the events of this delivery; `null`: no tracing. */
  readonly traceparent: string | null;
}
