/**
 * Whether the active region waits for a standby follows the hub's row, never the other way round. What is acknowledged
 * alone while the row says together, a switch would lose: so an order is given by who has the lock of that server, on the
 * session that has it, and has read the row meanwhile. A session that is gone has neither the lock nor a way to order.
 */
import type { Connection } from 'mysql2/promise';

import type { HubStore } from './hub-row';
import {
  acknowledgeAlone,
  acknowledgeTogether,
  demandStandby,
  withRegion,
} from './switch/mysql-region';
import { takeLock } from './switch/server-lock';

type Row = Pick<HubStore, 'read'>;

/** Its name on that server. */
export const acknowledgingLock = 'accord.acknowledging';
const orderMs = 3_000;
const lockSeconds = 2;

/** Lets the active region acknowledge alone where the hub's row says so: an attempt that comes late finds another row. */
export async function actAlone(hub: Row, activeUrl: string): Promise<void> {
  await oneAtATime(activeUrl, async (active) => {
    if (!(await hub.read()).sync) await acknowledgeAlone(active);
  });
}

/**
 * Lets the active region wait for its standby, and the hub's row say so.
 *
 * @param standsBy changes the row, or throws.
 * @throws what `standsBy` throws; PostconditionFailed where no standby acknowledges: it acknowledges alone again.
 */
export async function actTogether(
  hub: Row,
  activeUrl: string,
  standsBy: () => Promise<void>,
): Promise<void> {
  let isOver = false;
  let standing = Promise.resolve();
  try {
    await oneAtATime(activeUrl, async (active) => {
      await acknowledgeTogether(active);
      await demandStandby(active);
      if (isOver) return; // Answered behind its deadline: the row must not change any more.
      standing = standsBy();
      await standing;
      // Fails where the session, and its lock, were lost in between. The row says so by now: the next attempt keeps to it.
      await acknowledgeTogether(active);
    });
  } catch (error) {
    isOver = true;
    await standing.catch(() => undefined); // The row is read only when it is known what has become of it.
    await actAlone(hub, activeUrl); // Or every commit would wait for nobody.
    throw error;
  }
}

/**
 * Where the hub's row says that a standby acknowledges, the active region waits for it. Whether it is there still is for
 * the watch to see.
 *
 * @returns false: the row says that it acknowledges alone.
 */
export async function keepTogether(hub: Row, activeUrl: string): Promise<boolean> {
  return oneAtATime(activeUrl, async (active) => {
    const { sync } = await hub.read();
    if (sync) await acknowledgeTogether(active);
    return sync;
  });
}

function oneAtATime<Result>(
  activeUrl: string,
  work: (active: Connection) => Promise<Result>,
): Promise<Result> {
  return withRegion(activeUrl, orderMs, async (active) => {
    await takeLock(active, acknowledgingLock, lockSeconds);
    return work(active);
  });
}
