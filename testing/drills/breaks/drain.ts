/** Stops the standby where it is: what has come and is not applied is thrown away by its promotion. */
import type { Connection, RowDataPacket } from 'mysql2/promise';

export {
  acknowledgeAlone,
  acknowledgeTogether,
  demandStandby,
  cloneFrom,
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

export async function drain(region: Connection): Promise<void> {
  await region.query('STOP REPLICA IO_THREAD');
  const [threads] =
    await region.query<(RowDataPacket & { readonly Id: number; readonly User: string })[]>(
      'SHOW PROCESSLIST',
    );
  for (const { Id } of threads.filter(({ User }) => User === 'system user'))
    await region.query('KILL ?', [Id]).catch(() => undefined);
}
