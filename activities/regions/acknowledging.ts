/**
 * The hub's row decides whether the active region waits for a standby, never the other way round. A switch would lose
 * commits that are acknowledged alone while the row says otherwise. So only the session with the lock of that server
 * may give an order, after it has read the row under the lock. A lost session has neither the lock nor a way to give
 * orders.
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

/** Name of the lock on that server. */
export const acknowledgingLock = 'accord.acknowledging';
const orderMs = 3_000;
const lockSeconds = 2;

/** Lets the active region acknowledge alone if the hub's row says so. A late attempt finds a different row. */
export async function actAlone(hub: Row, activeUrl: string): Promise<void> {
  await oneAtATime(activeUrl, async (active) => {
    if (!(await hub.read()).sync) await acknowledgeAlone(active);
  });
}

/**
 * Lets the active region wait for its standby, and changes the hub's row accordingly.
 *
 * @param standsBy changes the row, or throws.
 * @throws the error of `standsBy`; PostconditionFailed if no standby acknowledges: then it acknowledges alone again.
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
      if (isOver) return; // The answer came after the deadline: the row must not change any more.
      standing = standsBy();
      await standing;
      // Fails if the session, and its lock, were lost in between. The row is changed by now: the next attempt follows
      // it.
      await acknowledgeTogether(active);
    });
  } catch (error) {
    isOver = true;
    await standing.catch(() => undefined); // The row is read only after its change has ended.
    await actAlone(hub, activeUrl); // Otherwise every commit would wait without a standby.
    throw error;
  }
}

/**
 * Lets the active region wait for its standby if the hub's row says so. The watch finds out whether the standby still
 * answers.
 *
 * @returns false: the row says that the active region acknowledges alone.
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
