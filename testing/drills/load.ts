/** What works while regions are switched: clients with SQL, clients of the API, and the failover worker itself. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import type { Build, Variables } from '../environment/application';
import { authorizationOf } from '../environment/credentials';
import { seedTenant } from '../../scripts/seed';
import { signal as signalTo } from '../stack/process';
import { folderOf } from '../stack/profile';
import { pause } from '../../runtime/waiting';
import { startClients, type ClientRecord } from './clients';
import { hubUrlOf, type Cluster } from './cluster';
import { databaseOf, hubEpoch, prepareTable } from './durability-check';
import type { Struck } from './region-faults';
import { startWriters, type Writers } from './writers';

const writers = { app: 6, stale: 2, zombie: 2 } as const;
const lookEveryMs = 50;

/** What all of them were told. */
export interface Told {
  readonly sql: Writers;
  readonly clients: ClientRecord;
}

/** Clients with SQL and clients of the API, until both have stopped. */
export async function startLoad({ cluster, from }: Pick<Struck, 'cluster' | 'from'>) {
  const { stack, addresses, urls, application } = cluster;
  await prepareTable(databaseOf(addresses.mysqlUrl));
  const epoch = (): Promise<number> => hubEpoch(hubUrlOf(stack));
  const sql = startWriters(
    {
      routed: databaseOf(addresses.mysqlUrl),
      straight: databaseOf(addresses.regions[from].straight.mysqlUrl),
      epoch,
    },
    writers,
    await epoch(),
  );
  const folder = join(folderOf('regions'), 'drills');
  mkdirSync(folder, { recursive: true });
  const clients = startClients({
    apiUrl: application.apiUrl,
    authorization: await authorizationOf(urls.API_DATABASE_URL, {
      tenant: seedTenant,
      owner: 'drill',
      scopes: ['tx:start', 'tx:read'],
    }),
    file: join(folder, `${new Date().toISOString().replaceAll(':', '-')}.accepted`),
  });
  let stopping: Promise<Told> | undefined;
  const stop = async (): Promise<Told> => {
    const [record] = await Promise.all([clients.stop(), sql.stop()]);
    return { sql, clients: record };
  };
  return { stop: () => (stopping ??= stop()) };
}

/**
 * The failover worker, started again whenever it is gone.
 *
 * @param build what it runs instead of the shipped build.
 * @param signal aborted: it is not started again, for the servers are being stopped.
 * @param first variables of its first start alone.
 */
export async function keepFailoverWorker(
  {
    cluster: { application, processes },
    build,
    signal,
  }: {
    readonly cluster: Cluster;
    readonly build?: Build | undefined;
    readonly signal: AbortSignal;
  },
  first: Variables,
) {
  const { role, variables } = processes.get('failover') ?? {};
  if (!role) throw new Error('The cluster has no failover worker.');
  const start = (more: Variables): Promise<boolean> =>
    application.start(role, 'failover', { ...variables, ...more }, build);
  const isSpecial = Object.keys(first).length > 0 || build !== undefined;
  if (isSpecial) {
    await application.stop('failover');
    await start(first);
  }
  const over = new AbortController();
  const down = { isKept: false };
  const watching = (async () => {
    while (!over.signal.aborted && !signal.aborted) {
      if (!down.isKept && !application.process('failover')) await start({});
      await pause(lookEveryMs);
    }
  })();
  watching.catch(() => undefined); // Told when it is stopped.
  return {
    /** It dies, and is started again without the variables of its first start, when `meanwhile` has happened. */
    async kill(meanwhile: () => Promise<void>): Promise<void> {
      down.isKept = true;
      try {
        const running = application.process('failover');
        if (running) signalTo(running, 'SIGKILL');
        while (application.process('failover')) await pause(lookEveryMs);
        await meanwhile();
      } finally {
        down.isKept = false;
      }
    },
    async stop() {
      over.abort();
      await watching;
      if (!isSpecial || signal.aborted) return;
      await application.stop('failover');
      await start({});
    },
  };
}
