import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { createHubStore, type HubStore } from '../../../../activities/regions/hub-row';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';

let own: OwnDatabases;
let accord: SqlPool;
let hub: HubStore;

beforeAll(async () => {
  own = await ownDatabases(['accord']);
  accord = own.pool(own.adminUrl('accord'), { connectionLimit: 1 });
  hub = createHubStore(own.pool(own.urls.FAILOVER_DATABASE_URL, { connectionLimit: 1 }), 'main');
}, 60_000);
afterAll(() => own.drop());
beforeEach(async () => {
  await accord.change('DELETE FROM regions', []);
  await accord.change('DELETE FROM runs', []);
  await accord.change('DELETE FROM region_decisions', []);
  await accord.change(
    `UPDATE cluster_state SET region = 'a', epoch = 4, sync = 1, state = 'steady', holder_gid = NULL`,
    [],
  );
});

const gid = 'failover:main.2';
const move = { gid, from: 'a', to: 'b', epoch: 4 };
const rejoin = { gid: 'failback:main.2', region: 'b', epoch: 4 };
const statuses = () => accord.select<object>('SELECT region, status FROM regions', []);
const recovering = [{ region: 'b', status: 'RECOVERING' }];
/** On connections of their own: whoever comes second waits for the row. */
const apart = () =>
  createHubStore(own.pool(own.urls.FAILOVER_DATABASE_URL, { connectionLimit: 1 }), 'main');

const asEnded = (of: string, flow: string) =>
  accord.change(
    `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner, region, epoch,
       accepted_at, deadline_at, at_risk, state, ending, ended_at)
     VALUES (?, 'main', ?, '2', 'test', REPEAT('f', 32), '{}', ?, 'a', 4, UTC_TIMESTAMP(3),
       UTC_TIMESTAMP(3), '[]', 'completed', '{}', UTC_TIMESTAMP(3))`,
    [of, flow, of],
  );

describe('the decision of a switch', () => {
  it('is the epoch that it advances to for the new region, once, and as often as it is asked', async () => {
    await hub.begin(move, false);
    expect(await hub.advanceEpoch(move)).toBe(true);
    expect(await hub.advanceEpoch(move)).toBe(true);
    expect(await hub.sealSwitch(move)).toBe(true);
    expect(await hub.standingOf(gid)).toEqual({ isHolder: true, decision: 'happened' });
    expect(await hub.read()).toMatchObject({ region: 'b', epoch: 5, sync: false, holder: gid });
  });

  it('that was sealed is the same epoch, taken for the region that is active: nothing takes it for another one', async () => {
    await hub.begin(move, false);
    expect(await hub.sealSwitch(move)).toBe(false);
    expect(await hub.advanceEpoch(move)).toBe(false);
    expect(await hub.sealSwitch(move)).toBe(false);
    expect(await hub.standingOf(gid)).toEqual({ isHolder: true, decision: 'never' });
    expect(await hub.read()).toMatchObject({ region: 'a', epoch: 5, sync: true, holder: gid });
  });

  it('is one of both, and the same for each caller, where advance and seal come at once', async () => {
    const [one, other] = [apart(), apart()];
    for (let round = 0; round < 20; round += 1) {
      const turn = { ...move, gid: `failover:main.${100 + round}`, epoch: 4 + round };
      await accord.change(`UPDATE cluster_state SET region = 'a', sync = 1`, []);
      expect(await hub.begin(turn, false)).toBe(true);
      const [advanced, happened] = await Promise.all([
        one.advanceEpoch(turn),
        other.sealSwitch(turn),
      ]);
      expect(happened).toBe(advanced);
      const { region, epoch } = await hub.read();
      expect({ region, epoch }).toEqual({ region: advanced ? 'b' : 'a', epoch: turn.epoch + 1 });
      await hub.end(turn.gid, {});
    }
  });

  it('stands when the switch has ended, and when others have moved the regions since', async () => {
    await hub.begin(move, false);
    await hub.advanceEpoch(move);
    await hub.end(gid, { a: 'STANDBY', b: 'ACTIVE' });
    await accord.change(`UPDATE cluster_state SET sync = 1`, []);
    const later = { gid: 'failover:main.3', from: 'b', to: 'a', epoch: 5 };
    await hub.begin(later, false);
    await hub.advanceEpoch(later);
    await hub.end(later.gid, { b: 'STANDBY', a: 'ACTIVE' });
    expect(await hub.begin(move, false)).toBe(true); // Run again: it has begun.
    expect(await hub.sealSwitch(move)).toBe(true);
    expect(await hub.standingOf(gid)).toEqual({ isHolder: false, decision: 'happened' });
    expect(await hub.read()).toMatchObject({ region: 'a', epoch: 6, holder: null });
  });

  it('is not advanced where another region is the active one than it was asked for', async () => {
    await accord.change(`UPDATE cluster_state SET region = 'b'`, []);
    expect(await hub.begin(move, false)).toBe(false);
    const mistaken = { ...move, gid: 'failover:main.3' };
    await accord.change(`UPDATE cluster_state SET state = 'failing-over', holder_gid = ?`, [
      mistaken.gid,
    ]);
    expect(await hub.advanceEpoch(mistaken)).toBe(false);
    expect(await hub.read()).toMatchObject({ region: 'b', epoch: 4 });
  });

  it('of a switch that has not begun is sealed without an epoch, and it cannot begin any more', async () => {
    expect(await hub.sealSwitch(move)).toBe(false);
    expect(await hub.read()).toMatchObject({ region: 'a', epoch: 4, sync: true, holder: null });
    expect(await hub.begin(move, false)).toBe(false);
    expect(await hub.begin({ ...move, gid: 'failover:main.3' }, false)).toBe(true);
  });

  it('of a switch whose row has its ending is no: a run that is started once more takes nothing', async () => {
    await asEnded(gid, 'failover'); // Cancelled before anybody had sent it, say.
    expect(await hub.begin(move, false)).toBe(false);
    expect(await hub.advanceEpoch(move)).toBe(false);
    expect(await hub.sealSwitch(move)).toBe(false);
    expect(await hub.read()).toMatchObject({ region: 'a', epoch: 4, state: 'steady' });
  });

  it('of a switch that was refused stands: what comes late does not take the row', async () => {
    await accord.change(`UPDATE cluster_state SET sync = 0`, []);
    expect(await hub.begin(move, false)).toBe(false);
    await accord.change(`UPDATE cluster_state SET sync = 1`, []);
    expect(await hub.begin(move, false)).toBe(false);
    expect(await hub.read()).toMatchObject({ state: 'steady', holder: null });
  });
});

describe('the end of a switch', () => {
  it('says nothing of regions that others have moved since', async () => {
    await hub.begin(move, false);
    await hub.advanceEpoch(move);
    await hub.end(gid, { a: 'STANDBY', b: 'ACTIVE' });
    await hub.rejoin({ gid: 'failback:main.3', region: 'a', epoch: 5 });
    await hub.end(gid, { a: 'STANDBY', b: 'ACTIVE' });
    expect(await statuses()).toEqual([
      { region: 'a', status: 'RECOVERING' },
      { region: 'b', status: 'ACTIVE' },
    ]);
  });
});

describe('the row of a cluster whose switch is taken back', () => {
  it('is as it was, in the epoch that its seal has advanced to, where nothing was fenced yet', async () => {
    await hub.begin(move, false);
    await hub.sealSwitch(move);
    expect(await hub.abort(gid, 'a')).toBe(true);
    expect(await hub.read()).toMatchObject({ sync: true, state: 'steady', holder: null, epoch: 5 });
  });

  it('says that the active one acknowledges alone, where it takes writes again', async () => {
    await hub.begin(move, false);
    await hub.sealSwitch(move);
    await hub.actsAlone(gid);
    expect(await hub.abort(gid, 'a')).toBe(true);
    expect(await hub.read()).toMatchObject({
      region: 'a',
      sync: false,
      state: 'degraded',
      epoch: 5,
    });
    expect(await hub.abort(gid, 'a')).toBe(false); // It is not its own any more.
  });

  it('is not taken back where the switch has advanced its epoch', async () => {
    await hub.begin(move, false);
    await hub.advanceEpoch(move);
    expect(await hub.abort(gid, 'a')).toBe(false);
    expect(await hub.read()).toMatchObject({ region: 'b', epoch: 5, holder: gid });
  });
});

describe('the row of a cluster whose region is made a standby', () => {
  it('says that the active one acknowledges alone, also where that region stood by', async () => {
    expect(await hub.rejoin(rejoin)).toBe(true);
    expect(await hub.read()).toMatchObject({ sync: false, state: 'steady', epoch: 4 });
    expect(await statuses()).toEqual(recovering);
    expect(await hub.rejoin(rejoin)).toBe(true); // As often as it is delivered.
  });

  it('says that it is acknowledged when it stands by, and not before', async () => {
    await hub.rejoin(rejoin);
    expect(await hub.standsBy('b', 4)).toBe(true);
    expect(await hub.read()).toMatchObject({ sync: true, state: 'steady' });
    expect(await statuses()).toEqual([{ region: 'b', status: 'STANDBY' }]);
  });

  it('does not begin anew where it is told again', async () => {
    await hub.rejoin(rejoin);
    await hub.standsBy('b', 4);
    expect(await hub.rejoin(rejoin)).toBe(true);
    expect(await hub.sealRejoin(rejoin.gid)).toBe(true);
    expect(await hub.read()).toMatchObject({ sync: true });
    expect(await statuses()).toEqual([{ region: 'b', status: 'STANDBY' }]);
  });

  it('is left alone by a rejoin that was sealed', async () => {
    expect(await hub.sealRejoin(rejoin.gid)).toBe(false);
    expect(await hub.rejoin(rejoin)).toBe(false);
    expect(await hub.read()).toMatchObject({ sync: true });
    expect(await statuses()).toEqual([]);
  });

  it('is left alone by a late attempt of a rejoin that has ended', async () => {
    await asEnded(rejoin.gid, 'failback');
    expect(await hub.rejoin(rejoin)).toBe(false);
    expect(await hub.read()).toMatchObject({ sync: true });
    expect(await hub.rejoin({ ...rejoin, gid: 'failback:main.3' })).toBe(true);
    expect(await statuses()).toEqual(recovering);
  });

  it('is left alone where somebody switches regions, in another epoch, and for the active one', async () => {
    expect(await hub.rejoin({ ...rejoin, region: 'a' })).toBe(false);
    expect(await hub.rejoin({ ...rejoin, gid: 'failback:main.3', epoch: 3 })).toBe(false);
    expect(await hub.begin(move, false)).toBe(true);
    expect(await hub.rejoin({ ...rejoin, gid: 'failback:main.4' })).toBe(false);
    expect(await hub.read()).toMatchObject({ sync: true, state: 'failing-over' });
    expect(await statuses()).toEqual([]);
  });
});
