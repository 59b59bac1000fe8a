/** What befalls a region in a drill, from outside of everything that is drilled, and how it is taken back. */
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { askRouter } from '../../activities/regions/router-client';
import type { RouteName } from '../../activities/regions/router-protocol';
import { databasePrefix } from '../../runtime/databases/names';
import { signal, type OwnedProcess } from '../stack/process';
import type { Region } from '../stack/profile';
import { serverProcess } from '../stack/stack';
import { pause } from '../../runtime/waiting';
import type { RegionAddresses } from './addresses';
import type { Cluster } from './cluster';
import { drillTable } from './writers';
import { openConnection } from '../../runtime/mysql/door';

/** Where it strikes. */
export interface Struck {
  readonly cluster: Cluster;
  readonly from: Region;
  readonly to: Region;
}

export interface RegionFault {
  strike(struck: Struck): Promise<void>;
  /** Mends what a failback does not mend by itself. Safe if the fault was never injected. */
  heal(struck: Struck): Promise<void>;
}

const nothing = (): Promise<void> => Promise.resolve();

const send = (to: OwnedProcess, what: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> => {
  signal(to, what);
  return Promise.resolve();
};

const mysqlOf = (region: Region): OwnedProcess => {
  const found = serverProcess('regions', `mysql-${region}`);
  if (!found) throw new Error(`MySQL of region ${region} does not run.`);
  return found;
};

const routesTo: Readonly<Record<Region, readonly RouteName[]>> = {
  a: ['hub-mysql-a', 'hub-redis-a', 'mysql-a-to-b', 'redis-a-to-b'],
  b: ['hub-mysql-b', 'hub-redis-b', 'mysql-b-to-a', 'redis-b-to-a'],
};

const cutOff = async ({ cluster, from }: Struck): Promise<void> => {
  const routes = [...routesTo[from]];
  await askRouter(cluster.addresses.router, { routes, state: 'blackhole' });
};
const reach = async ({ cluster, from }: Struck): Promise<void> => {
  const routes = [...routesTo[from]];
  await askRouter(cluster.addresses.router, { routes, state: 'open', cut: true });
};

/** What takes longer has been undone, or never asked for. */
const drainBeginsWithinMs = 30_000;
const lookEveryMs = 25;

/** Shorter than what a watch calls silent, and long enough in between for the standby to acknowledge again. */
const flaps = 4;
const cutMs = 300;
const betweenCutsMs = 2_500;

const kill: RegionFault = {
  strike: ({ from }) => send(mysqlOf(from), 'SIGKILL'),
  heal: nothing, // Its rejoin starts it.
};

export const regionFaults = {
  none: { strike: nothing, heal: nothing },
  kill,
  freeze: {
    strike: ({ from }) => send(mysqlOf(from), 'SIGSTOP'),
    heal: ({ from }) => {
      const left = serverProcess('regions', `mysql-${from}`);
      return left ? send(left, 'SIGCONT') : nothing();
    },
  },
  /** Cuts the region off from the hub and from the other region; clients reach both. */
  partition: { strike: cutOff, heal: reach },
  /** The link comes and goes, and then the region is lost. */
  flap: {
    async strike(struck) {
      for (let n = 0; n < flaps; n += 1) {
        await cutOff(struck);
        await pause(cutMs);
        await reach(struck);
        await pause(betweenCutsMs);
      }
      // A switch that had begun by then may have killed it: the drill tells of that.
      if (serverProcess('regions', `mysql-${struck.from}`)) await kill.strike(struck);
    },
    heal: reach,
  },
} as const satisfies Readonly<Record<string, RegionFault>>;

/** A commit that the active region has not, and that MySQL itself would never tell of. */
export async function writeErrant({ straight }: RegionAddresses): Promise<void> {
  const session = await openConnection({ url: straight.mysqlUrl });
  try {
    await session.query('SET GLOBAL super_read_only = OFF');
    await session.query(`INSERT INTO ${databasePrefix}orders.${drillTable} VALUES (?, 0)`, [
      `errant-${Date.now()}`,
    ]);
    await session.query('SET GLOBAL super_read_only = ON');
  } finally {
    session.destroy();
  }
}

/** A standby that takes what comes, and applies none of it. */
export interface HeldApplier {
  /** Goes on `afterMs` behind the moment in which the standby stops to pull: a drain is under way, and has to wait. */
  releaseInDrain(afterMs: number): Promise<void>;
}

/** Told to pull no more: one whose source is dead is still connecting. */
async function isStopped(standby: Connection): Promise<boolean> {
  const [rows] =
    await standby.query<(RowDataPacket & { readonly Replica_IO_Running: string })[]>(
      'SHOW REPLICA STATUS',
    );
  return (rows[0]?.Replica_IO_Running ?? 'No') === 'No';
}

/** The standby falls behind: what is acknowledged from now on is in its relay log alone. */
export async function holdApplier({ cluster, to }: Struck): Promise<HeldApplier> {
  const session = await openConnection({
    url: cluster.addresses.regions[to].straight.mysqlUrl,
  });
  await session.query('START TRANSACTION');
  // The row that is written most often: what waits for it keeps its order, and so waits as a whole.
  // A share is enough against a write, and all that a server gives which takes none.
  await session.query(
    `SELECT seq FROM \`${databasePrefix}orders\`.heartbeat WHERE source = 'hub' FOR SHARE`,
  );
  return {
    async releaseInDrain(afterMs) {
      const until = Date.now() + drainBeginsWithinMs;
      while (!(await isStopped(session)) && Date.now() < until) await pause(lookEveryMs);
      await pause(afterMs);
      session.destroy();
    },
  };
}
