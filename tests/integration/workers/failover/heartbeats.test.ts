import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { startHeartbeats } from '../../../../workers/failover/heartbeats';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { eventually } from '../../../support/eventually';

describe('the heartbeats of two failover workers', () => {
  let own: OwnDatabases;
  let active: SqlPool;
  let hub: SqlPool;
  beforeAll(async () => {
    own = await ownDatabases(['accord', 'orders']);
    active = own.pool(own.urls.ORDERS_DATABASE_URL);
    hub = own.pool(own.urls.FAILOVER_DATABASE_URL);
  }, 60_000);
  afterAll(() => own.drop());

  const beaten = async (): Promise<{ readonly at: number; readonly seq: number }> => {
    const [row] = await active.select<{ readonly at: string; readonly seq: string }>(
      `SELECT CAST(at_us AS CHAR) AS at, CAST(seq AS CHAR) AS seq FROM heartbeat WHERE source = 'hub'`,
    );
    return { at: Number(row?.at ?? 0), seq: Number(row?.seq ?? 0) };
  };
  const told = async (): Promise<number> => {
    const [row] = await hub.select<{ readonly at: string }>(
      `SELECT CAST(acknowledged_us AS CHAR) AS at FROM cluster_heartbeats WHERE cluster = 'main'`,
    );
    return Number(row?.at ?? 0);
  };

  it('never go back where one clock is an hour before the other: nothing that was acknowledged reads as lost', async () => {
    const failures: unknown[] = [];
    const beatWith = (now: () => number) =>
      startHeartbeats({ active, hub, cluster: 'main', now }, (error) => failures.push(error));
    const ahead = beatWith(() => Date.now() + 3_600_000);
    await eventually(async () => (await told()) > 0);
    await ahead.stop();
    const before = await beaten();
    const behind = beatWith(Date.now);
    await eventually(async () => (await beaten()).seq > before.seq + 1);
    await behind.stop();
    const after = await beaten();
    expect(after.at).toBeGreaterThan(before.at); // And each is another one: a lost one can be told.
    expect(await told()).toBe(after.at);
    expect(failures).toEqual([]);
  });
});
