/**
 * Only the region that the hub names takes writes, and only the present switch opens it. A session needs the opening
 * lock of the server to open the region, or to fence it by SQL. To open it, the session reads the hub's row under this
 * lock. So a late attempt finds a different row. An attempt that hangs after it read the row still has the lock. Then
 * the fence does not get the lock, and kills the server with that session.
 */
import type { Connection } from 'mysql2/promise';

import type { Gid } from '../../../contracts/engine/ids';
import { enterEpoch } from './epochs';
import type { HubStore } from '../hub-row';
import { isReadOnly, PostconditionFailed, takeWrites, takeWritesOfOperators } from './mysql-region';
import { takeLock } from './server-lock';

/** Name of the lock on that server. */
export const openingLock = 'accord.opening';
const lockSeconds = 1;

/** Takes the lock until this session ends: no other session opens this server, or fences it by SQL. */
export const holdOpening = (mysql: Connection): Promise<void> =>
  takeLock(mysql, openingLock, lockSeconds);

/**
 * Opens the region for writes in the epoch of the hub, and in no earlier one. Applications get in after the region has
 * entered this epoch. Safe to repeat, to arrive late, and after a start of the server, which takes no writes then.
 *
 * @param gid gid of the present switch.
 * @param participants names of the databases with the epoch of a region.
 * @throws PostconditionFailed if the hub names another region, or another switch holds the row.
 */
export async function open(
  hub: Pick<HubStore, 'read'>,
  mysql: Connection,
  opened: { readonly gid: Gid; readonly region: string },
  participants: readonly string[],
): Promise<void> {
  const { gid, region } = opened;
  const isClosed = await isReadOnly(mysql);
  if (isClosed) await holdOpening(mysql);
  const row = await hub.read();
  if (row.holder !== gid || row.region !== region)
    throw new PostconditionFailed(`The hub does not name region ${region} for ${gid}.`);
  if (isClosed) await takeWritesOfOperators(mysql);
  await enterEpoch(mysql, participants, { region, epoch: row.epoch });
  if (isClosed) await takeWrites(mysql);
}
