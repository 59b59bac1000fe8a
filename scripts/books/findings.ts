import type { Database } from '../../books/reading';

/** One thing that is wrong, and where. */
export interface Finding {
  readonly database: Database;
  readonly row: object;
}
