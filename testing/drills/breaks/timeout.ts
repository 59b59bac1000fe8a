/** Waits for the standby for a second, and then acknowledges alone: a clock decides instead of the hub. */
import type { Connection } from 'mysql2/promise';

export {
  acknowledgeAlone,
  cloneFrom,
  demandStandby,
  drain,
  follow,
  isReadOnly,
  missingFrom,
  PostconditionFailed,
  refuseWrites,
  stateOf,
  takeWrites,
  takeWritesOfOperators,
  untilExecuted,
  withRegion,
} from '../../../activities/regions/switch/mysql-region';

export async function acknowledgeTogether(region: Connection): Promise<void> {
  await region.query('SET GLOBAL rpl_semi_sync_source_timeout = 1000');
  await region.query('SET GLOBAL rpl_semi_sync_source_enabled = ON');
}
