import type { Registry } from 'prom-client';

import type { AcceptedStart, JobTransaction } from '../../activities/fence/accepted-runs';
import type { SqlPool } from '../../activities/fence/sql-transaction';
import type { RedisCommands } from '../../runtime/redis-premises';

/** What implementations are made with. */
export interface WorkerServices {
  /** Refused while Redis does not hold its premises. */
  readonly redis: RedisCommands;
  /** Where metrics of their own are registered. */
  readonly metrics: Registry;
}

/** What activities of an application's own jobs are made with. */
export interface JobServices extends WorkerServices {
  /** The database of a participant, with the rights of this worker. @throws RangeError for a participant without one. */
  readonly poolOf: (participant: string) => SqlPool;
  /**
   * Accepts a transaction: writes its row, unless it exists, and marks it as sent. The job starts its flow afterwards; if
   * that start is lost, the job `recover` starts it. Safe to repeat.
   *
   * @returns the input of its run; `null`: the transaction has ended.
   */
  readonly accept: (transaction: JobTransaction) => Promise<AcceptedStart | null>;
}

/** Activities of jobs, under the names that they are registered with. */
export type JobActivities = Readonly<Record<string, (request: never) => Promise<unknown>>>;
