import type { Database } from '../../invariants/reading';

/** One thing that is wrong, and where. */
export interface Finding {
  readonly database: Database;
  readonly row: object;
}
