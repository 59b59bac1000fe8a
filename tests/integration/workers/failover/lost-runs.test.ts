import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client, type Connection } from '@temporalio/client';

import { createOpenMoves } from '../../../../activities/regions/switch/open-moves';
import { createWatchStore, type WatchEvent } from '../../../../activities/regions/watch/store';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { connectTemporal } from '../../../../testing/stack/temporal-client';
import { createLostRuns } from '../../../../workers/failover/lost-runs';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { testStack } from '../../../support/stack';

/** Nobody listens there: what is started stays open until it is terminated. */
const taskQueue = `nobody-${randomBytes(4).toString('hex')}`;
const now = 1_800_000_000_000;
const lifeMs = 600_000;

let own: OwnDatabases;
let accord: SqlPool;
let failover: SqlPool;
let connection: Connection;
let client: Client;

beforeAll(async () => {
  own = await ownDatabases(['accord']);
  accord = own.pool(own.adminUrl('accord'), { connectionLimit: 1 });
  failover = own.pool(own.urls.FAILOVER_DATABASE_URL, { connectionLimit: 2 });
  const { temporal } = await testStack();
  connection = await connectTemporal(temporal.address);
  client = new Client({ connection, namespace: temporal.namespace });
}, 60_000);
afterAll(async () => {
  await connection.close();
  await own.drop();
});

/** A cluster of one test, and what was told of it. */
let cluster: string;
let gid: string;
let elapsedMs: number;
let told: WatchEvent[];
let look: ReturnType<typeof createLostRuns>;

beforeEach(async () => {
  cluster = `c${randomBytes(4).toString('hex')}`;
  gid = `failover:${cluster}.1`;
  elapsedMs = 0;
  told = [];
  await accord.change(
    `INSERT INTO cluster_state (cluster, sequence, epoch, region, sync, state, changed_at)
       VALUES (?, 1, 4, 'a', 1, 'steady', UTC_TIMESTAMP(3))`,
    [cluster],
  );
  look = createLostRuns({
    moves: createOpenMoves(failover, cluster, () => now),
    client,
    store: createWatchStore(failover, cluster),
    onEvent: (event) => told.push(event),
    now: () => elapsedMs,
    taskQueue,
  });
});

const inputOf = (of: string) => ({
  ...{ gid: of, tenant: cluster, flow: 'failover', deadlineAt: 2_000, undoBudgetMs: lifeMs / 2 },
  ...{ cluster, from: 'a', to: 'b', kind: 'unplanned', epoch: 4, reason: 'Silent.' },
});

/** @param agedSeconds since it was accepted, and its start was sent. */
const accepted = ({ agedSeconds = 60, isSent = true } = {}) =>
  accord.change(
    `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, input, owner, region, epoch,
       accepted_at, start_sent_at, deadline_at, at_risk)
     VALUES (?, ?, 'failover', '1', 'test', REPEAT('f', 32), '{}', ?, ?, 'a', 4,
       UTC_TIMESTAMP(3) - INTERVAL ? SECOND, IF(?, UTC_TIMESTAMP(3) - INTERVAL ? SECOND, NULL), FROM_UNIXTIME(2), '[]')`,
    [gid, cluster, JSON.stringify(inputOf(gid)), gid, agedSeconds, isSent ? 1 : 0, agedSeconds],
  );
/** Time passes since its start was claimed. */
const aged = () =>
  accord.change(
    'UPDATE runs SET start_sent_at = start_sent_at - INTERVAL 60 SECOND WHERE gid = ?',
    [gid],
  );
const ended = () =>
  accord.change(
    `UPDATE runs SET state = 'compensated', ending = '{}', ended_at = UTC_TIMESTAMP(3) WHERE gid = ?`,
    [gid],
  );
const run = () => client.workflow.getHandle(gid);
const statusOf = async () => (await run().describe()).status.name;
/** What the newest run was started with. */
async function startedWith(): Promise<{ readonly deadlineAt?: number }> {
  const { events } = await run().fetchHistory();
  const [data] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  return JSON.parse(Buffer.from(data?.data ?? []).toString('utf8')) as { deadlineAt?: number };
}

describe('a switch whose row is open', () => {
  it('is started again at the next look when its run was terminated, and a person is told', async () => {
    await accepted();
    expect(await look()).toEqual([gid]);
    await run().terminate();
    await aged();
    elapsedMs += 60_000;
    expect(await look()).toEqual([gid]);
    expect(await statusOf()).toBe('RUNNING');
    expect(await startedWith()).toMatchObject(inputOf(gid));
    expect(told.map(({ kind, code }) => ({ kind, code }))).toEqual([
      { kind: 'page', code: 'run_lost' },
      { kind: 'page', code: 'run_lost' },
    ]);
    await run().terminate();
  });

  it('that nobody has sent, for who accepted it is gone, is started, and cannot be cancelled by its row alone any more', async () => {
    await accepted({ isSent: false });
    expect(await look()).toEqual([gid]);
    const [row] = await accord.select<{ readonly isSent: string }>(
      'SELECT CAST(start_sent_at IS NOT NULL AS CHAR) AS isSent FROM runs WHERE gid = ?',
      [gid],
    );
    expect(row).toEqual({ isSent: '1' });
    await run().terminate();
  });

  it('that holds the row of its cluster has its time for acting anew', async () => {
    await accepted();
    await accord.change(
      `UPDATE cluster_state SET state = 'failing-over', holder_gid = ? WHERE cluster = ?`,
      [gid, cluster],
    );
    await look();
    expect(await startedWith()).toMatchObject({ deadlineAt: now + lifeMs });
    await run().terminate();
  });

  it('is left to who has just accepted it', async () => {
    await accepted({ agedSeconds: 0 });
    expect(await look()).toEqual([]);
    await expect(run().describe()).rejects.toThrow();
  });

  it('is left alone while its run is open', async () => {
    await accepted();
    await look();
    await aged();
    elapsedMs += 60_000;
    expect(await look()).toEqual([]);
    expect(told).toHaveLength(1);
    await run().terminate();
  });

  it('is not started again, when it has its ending by then', async () => {
    await accepted();
    await look();
    await run().terminate();
    await ended();
    await aged();
    elapsedMs += 60_000;
    expect(await look()).toEqual([]);
    expect(await createOpenMoves(failover, cluster, () => now).claim(gid)).toBe(false);
    expect(await statusOf()).toBe('TERMINATED');
  });

  it('whose run does not last is started ever less often, at last once a minute', async () => {
    await accepted();
    const startedAt: number[] = [];
    for (; elapsedMs <= 200_000; elapsedMs += 2_000) {
      if ((await look()).length === 0) continue;
      startedAt.push(elapsedMs / 1_000);
      await run().terminate();
      await aged();
    }
    expect(startedAt).toEqual([0, 4, 12, 28, 60, 120, 180]);
  });

  it('of another cluster is none of it', async () => {
    await accepted();
    const other = createOpenMoves(failover, 'other', () => now);
    expect(await other.list()).toEqual([]);
  });
});
