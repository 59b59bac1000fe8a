import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { createHubStore, type HubStore } from '../../../../activities/regions/hub-row';
import type { SqlPool } from '../../../../activities/sql-transaction';
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
  await accord.change(
    `UPDATE cluster_state SET region = 'a', epoch = 4, sync = 1, state = 'steady', holder_gid = NULL`,
    [],
  );
});

const rejoin = 'failback:main.2';
const statuses = () => accord.select<object>('SELECT region, status FROM regions', []);
const recovering = [{ region: 'b', status: 'RECOVERING' }];

describe('the row of a cluster whose switch is taken back', () => {
  it('is as it was, where nothing was fenced yet', async () => {
    await hub.begin('failover:main.2', 4, false);
    expect(await hub.abort('failover:main.2', 'a')).toBe(true);
    expect(await hub.read()).toMatchObject({ sync: true, state: 'steady', holder: null });
  });

  it('says that the active one acknowledges alone, where it takes writes again', async () => {
    await hub.begin('failover:main.2', 4, false);
    await hub.actsAlone('failover:main.2');
    await hub.burn('failover:main.2', 4, 'b');
    expect(await hub.abort('failover:main.2', 'a')).toBe(true);
    expect(await hub.read()).toMatchObject({
      region: 'a',
      sync: false,
      state: 'degraded',
      epoch: 5,
    });
    expect(await hub.abort('failover:main.2', 'a')).toBe(false); // It is not its own any more.
  });
});

describe('the row of a cluster whose region is made a standby', () => {
  it('says that the active one acknowledges alone, also where that region stood by', async () => {
    expect(await hub.rejoin(rejoin, 'b', 4)).toBe(true);
    expect(await hub.read()).toMatchObject({ sync: false, state: 'steady', epoch: 4 });
    expect(await statuses()).toEqual(recovering);
    expect(await hub.rejoin(rejoin, 'b', 4)).toBe(true); // As often as it is delivered.
  });

  it('says that it is acknowledged when it stands by, and not before', async () => {
    await hub.rejoin(rejoin, 'b', 4);
    expect(await hub.standsBy('b', 4)).toBe(true);
    expect(await hub.read()).toMatchObject({ sync: true, state: 'steady' });
    expect(await statuses()).toEqual([{ region: 'b', status: 'STANDBY' }]);
  });

  it('is left alone by a late attempt of a rejoin that has ended', async () => {
    await accord.change(
      `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner, region, epoch,
         accepted_at, deadline_at, at_risk, state, ending, ended_at)
       VALUES (?, 'main', 'failback', '2', 'test', REPEAT('f', 32), '{}', ?, 'a', 4, UTC_TIMESTAMP(3),
         UTC_TIMESTAMP(3), '[]', 'completed', '{}', UTC_TIMESTAMP(3))`,
      [rejoin, rejoin],
    );
    expect(await hub.rejoin(rejoin, 'b', 4)).toBe(false);
    expect(await hub.read()).toMatchObject({ sync: true });
    expect(await hub.rejoin('failback:main.3', 'b', 4)).toBe(true);
    expect(await statuses()).toEqual(recovering);
  });

  it('is left alone where somebody switches regions, in another epoch, and for the active one', async () => {
    expect(await hub.rejoin(rejoin, 'a', 4)).toBe(false);
    expect(await hub.rejoin(rejoin, 'b', 3)).toBe(false);
    expect(await hub.begin('failover:main.2', 4, false)).toBe(true);
    expect(await hub.rejoin(rejoin, 'b', 4)).toBe(false);
    expect(await hub.read()).toMatchObject({ sync: true, state: 'failing-over' });
    expect(await statuses()).toEqual([]);
  });
});
