import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RowDataPacket } from 'mysql2/promise';

import { createRegionsActivities } from '../../../../activities/regions/switch/activities';
import { fence, type FenceProbe } from '../../../../activities/regions/switch/fencing';
import { createHubStore, type HubStore } from '../../../../activities/regions/hub-row';
import {
  isReadOnly,
  refuseWrites,
  withRegion,
} from '../../../../activities/regions/switch/mysql-region';
import { holdOpening } from '../../../../activities/regions/switch/opening';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { openConnection } from '../../../../runtime/mysql/door';
import { provision } from '../../../../runtime/databases/provision';
import { shopDatabases } from '../../../../runtime/databases/shop';
import { serveLines } from '../../../../runtime/json-lines';
import { regionalMysql } from '../../../../testing/stack/servers/mysql';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { ownMySql, type OwnMySql } from '../../../support/own-mysql';

const gid = 'failover:main.2-1';
const move = { gid, from: 'a', to: 'b', epoch: 4 };
const participants = ['orders'];
const withinMs = 5_000;

let own: OwnDatabases;
let accord: SqlPool;
let hub: HubStore;
let region: OwnMySql;
let router: string;
let agent: string;
let probe: FenceProbe;
const closing: (() => unknown)[] = [];

/** It takes orders as a router or an agent does. */
async function serving(obey: (order: unknown) => unknown): Promise<string> {
  const server = createServer((socket) => serveLines(socket, obey));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  const [regional] = regionalMysql;
  [own, region] = await Promise.all([ownDatabases(['accord']), ownMySql([], regional)]);
  accord = own.pool(own.adminUrl('accord'), { connectionLimit: 1 });
  hub = createHubStore(own.pool(own.urls.FAILOVER_DATABASE_URL, { connectionLimit: 2 }), 'main');
  await inRegion((mysql) => mysql.query('SET GLOBAL read_only = OFF'));
  const { ORDERS_DATABASE_URL: application } = await provision(region.adminUrl, {
    ...shopDatabases,
    ...{ prefix: '', only: ['orders'], secret: () => 'own-password' },
  });
  const { username: user, password, pathname } = new URL(application);
  probe = { user, password, database: pathname.slice(1) };
  router = await serving(() => ({ ok: true, routes: [] }));
  agent = await serving(async () => {
    await region.kill();
    return { ok: true };
  });
}, 120_000);
afterAll(async () => {
  for (const close of closing) await close();
  await Promise.all([own.drop(), region.stop()]);
});

beforeEach(async () => {
  await accord.change('DELETE FROM region_decisions', []);
  await accord.change(
    `UPDATE cluster_state SET region = 'a', epoch = 4, sync = 1, state = 'steady', holder_gid = NULL`,
    [],
  );
  await hub.begin(move, false);
  await inRegion(async (mysql) => {
    await mysql.query('SET GLOBAL super_read_only = OFF');
    await mysql.query('UPDATE orders.region_epoch SET epoch = 4');
  });
  await inRegion(refuseWrites);
});
const holders: { destroy(): void }[] = [];
afterEach(() => holders.splice(0).forEach((holder) => holder.destroy()));

const inRegion = <Result>(work: Parameters<typeof withRegion<Result>>[2]): Promise<Result> =>
  withRegion(region.adminUrl, withinMs, work);
const isClosed = (): Promise<boolean> => inRegion(isReadOnly);
const epochThere = () =>
  inRegion(async (mysql) => {
    const [rows] = await mysql.query<(RowDataPacket & { readonly epoch: number | string })[]>(
      'SELECT epoch FROM orders.region_epoch',
    );
    return Number(rows[0]?.epoch);
  });

const steps = ['promoteRegion', 'openRoutes', 'republish', 'endSwitch'] as const;
type Step = (typeof steps)[number];

/** @param stale what an attempt has seen of the hub before it was held. */
async function attempted(step: Step, stale: Partial<HubStore> = {}): Promise<unknown> {
  const switching = createRegionsActivities({
    hub: { ...hub, ...stale },
    router,
    regions: {
      b: {
        ...{ mysqlUrl: region.adminUrl, redisUrl: '', agent },
        ...{ mysql: '127.0.0.1:1', redis: '127.0.0.1:2', brokers: [] },
        source: { host: '', port: 0, user: '', password: '' },
        redisLink: { host: '', port: 0 },
      },
    },
    participants,
    probe,
    attempt: () => 3,
    entering: () => Promise.resolve(),
  });
  const perform = switching[step] as typeof switching.promoteRegion;
  const asked = { cluster: 'main', from: 'a', to: 'b', kind: 'unplanned', epoch: 4 } as const;
  const [verdict] = await perform([{ key: `${gid}/${step}`, minEpoch: 0, ...asked }]);
  return verdict;
}

describe('a region that the hub names', () => {
  it.each(steps)(
    'and that takes no writes, as after a start of its server, is opened in the epoch that was advanced: %s',
    async (step) => {
      await hub.advanceEpoch(move);
      expect(await attempted(step)).toMatchObject({ ok: true });
      expect(await isClosed()).toBe(false);
      expect(await epochThere()).toBe(5);
    },
  );

  it('is opened again where its server dies behind its promotion', async () => {
    await hub.advanceEpoch(move);
    await attempted('promoteRegion');
    await region.kill();
    await region.start();
    expect(await isClosed()).toBe(true);
    expect(await attempted('republish')).toMatchObject({ ok: true, result: { events: 0 } });
    expect(await isClosed()).toBe(false);
  }, 60_000);
});

describe('a region that the hub does not name', () => {
  /** As a first look found it: a later one may not. */
  const begun = {
    standingOf: () => Promise.resolve({ isHolder: true, decision: 'happened' } as const),
  };

  it.each(steps)('is not opened before the epoch is advanced: %s', async (step) => {
    expect(await attempted(step)).toMatchObject({ ok: false, failure: 'PostconditionFailed' });
    expect(await attempted(step, begun)).toMatchObject({
      ok: false,
      detail: `The hub does not name region b for ${gid}.`,
    });
    expect(await isClosed()).toBe(true);
  });

  it.each(steps)(
    'is not opened by a switch that has ended, also where its attempt was held behind its first look: %s',
    async (step) => {
      await hub.advanceEpoch(move);
      await hub.end(gid, {});
      expect(await attempted(step)).toMatchObject({ ok: true, result: null });
      expect(await attempted(step, begun)).toMatchObject({ ok: false });
      expect(await isClosed()).toBe(true);
    },
  );
});

describe('a fence', () => {
  const fenced = () => fence({ mysqlUrl: region.adminUrl, agent }, true, probe);

  it('is put up by the word of the region where nobody is about to open it', async () => {
    await inRegion((mysql) => mysql.query('SET GLOBAL read_only = OFF'));
    expect(await fenced()).toMatchObject({ way: 'sql' });
    expect(await isClosed()).toBe(true);
  });

  it('ends the server, and the session with it, where an attempt that was held could open it behind the fence', async () => {
    const late = await openConnection({ url: region.adminUrl });
    holders.push(late);
    await holdOpening(late);
    expect(await fenced()).toMatchObject({ way: 'kill' });
    await expect(late.query('SET GLOBAL read_only = OFF')).rejects.toThrow();
    await region.start();
    expect(await isClosed()).toBe(true);
  }, 60_000);
});

describe('a MySQL', () => {
  it('is started again where the pid of its socket is somebody else by now, or is dead and not collected', async () => {
    await region.kill();
    // The pid of a living process that did not start this MySQL. MySQL ignores the pid of its own parent.
    writeFileSync(join(region.data, 'mysqld.sock.lock'), `${process.ppid}\n`);
    await region.start();
    expect(await isClosed()).toBe(true);
  }, 60_000);
});
