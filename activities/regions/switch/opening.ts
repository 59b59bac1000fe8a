/**
 * Only the region that the hub names takes writes, and only the switch that moves the regions opens it. Who opens a region,
 * and who fences it by its own word, has the opening lock of that server; who opens reads the hub's row behind it. So an
 * attempt that comes late finds another row. One that was held behind its look has the lock: the fence does not get it,
 * and kills the server, and the session with it.
 */
import type { Connection } from 'mysql2/promise';

import type { Gid } from '../../../contracts/engine/ids';
import { enterEpoch } from './epochs';
import type { HubStore } from '../hub-row';
import { isReadOnly, PostconditionFailed, takeWrites, takeWritesOfOperators } from './mysql-region';
import { takeLock } from './server-lock';

/** Its name on that server. */
export const openingLock = 'accord.opening';
const lockSeconds = 1;

/** From now on, until this session ends, nobody else opens this server, or fences it by its own word. */
export const holdOpening = (mysql: Connection): Promise<void> =>
  takeLock(mysql, openingLock, lockSeconds);

/**
 * Takes writes in the epoch of the hub and in no earlier one: an application comes in when it has entered it. Safe to
 * repeat, to come late, and behind a start of the server, which takes no writes then.
 *
 * @param gid of the switch that moves the regions.
 * @param participants names of the databases that bear a region's epoch.
 * @throws PostconditionFailed where the hub names another region, or another switch moves them.
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
