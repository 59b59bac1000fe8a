import { describe, expect, it } from '@jest/globals';

import { createLockActivities } from '../../../../activities/locks/activities';
import { LocksUnavailable, type LockStore } from '../../../../activities/locks/lock-store';
import { fencingToken, type LockRequest } from '../../../../contracts/engine/locks';

const request: LockRequest = { kind: 'customer', id: 'acme.C-1', gid: 'order:acme.O-1' };

function locksOver(store: Partial<LockStore>) {
  const heard: string[] = [];
  const unexpected = () => Promise.reject(new Error('Not expected.'));
  const locks = createLockActivities({
    locks: { acquire: unexpected, renew: unexpected, release: unexpected, ...store },
    epoch: () => Promise.resolve(3),
    observer: {
      unavailable: (operation) => heard.push(operation),
      outageBegan: () => heard.push('began'),
      outageEnded: () => heard.push('ended'),
    },
  });
  return { locks, heard };
}

describe('the lock activities', () => {
  it('put the epoch above the counter of the grant', async () => {
    const { locks } = locksOver({ acquire: () => Promise.resolve({ held: false, counter: 7 }) });
    expect(await locks.acquireLock(request)).toEqual({ token: fencingToken(3, 7).toString() });
  });

  it('ask again when the lease of the other ends, if that is sooner than usual', async () => {
    const { locks } = locksOver({
      acquire: () => Promise.resolve({ held: true, leaseLeftMs: 20 }),
    });
    await expect(locks.acquireLock(request)).rejects.toMatchObject({
      type: 'LockHeld',
      nextRetryDelay: 20,
    });
  });

  it('report each outage of Redis once, and its end', async () => {
    let isAway = false;
    const { locks, heard } = locksOver({
      renew: () =>
        isAway ? Promise.reject(new LocksUnavailable('Redis is away.')) : Promise.resolve(false),
    });
    for (const next of [true, true, false, true]) {
      isAway = next;
      expect(await locks.renewLock(request)).toBe(next); // Lost only where Redis says so.
    }
    expect(heard).toEqual(['renewLock', 'began', 'renewLock', 'ended', 'renewLock', 'began']);
  });

  it('hide no defect of their own', async () => {
    const { locks, heard } = locksOver({ release: () => Promise.reject(new TypeError('A bug.')) });
    await expect(locks.releaseLock(request)).rejects.toThrow('A bug.');
    expect(heard).toEqual([]);
  });
});
