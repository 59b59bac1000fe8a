import type { RowDataPacket } from 'mysql2/promise';

import packageJson from '../../../../package.json';
import { databasePrefix } from '../../../../runtime/databases/names';
import { openConnection } from '../../../../runtime/mysql/door';
import { authorizationOf } from '../../../environment/credentials';
import { createHttpClient } from '../../http-client';
import { createCaller, type Played } from '../../load/caller';
import { prove } from '../../load/counters';
import { startOf, type Choice } from '../../load/flows';
import { openWorld } from '../../load/world';
import type { Arm, Ground, OpenArm, Wrong } from '../arm';

const choice: Choice = { flow: 'transfer', refusals: 0, spread: 'even', deadlineMs: 3_600_000 };

const flow =
  'the flow transfer, TCC with a fence: two tries, decision, two confirms, four entries, events to Kafka';

/** A workflow for each transfer, over HTTP. */
export const accordSingle: Arm = arm({
  name: 'accord-single',
  title: `${flow}; a workflow each`,
  inFlight: 8, // CPU a transfer: 217 ms at 8, 249 at 30, where they wait in the queue of Temporal.
  lane: 'single',
});

/** As it is shipped, over HTTP one by one: transfers that come together share a workflow. */
export const accordHttp: Arm = arm({
  name: 'accord-http',
  title: `${flow}; those that come together share a workflow`,
  inFlight: 256, // At 600 they wait for each other.
});

interface Way extends Pick<Arm, 'name' | 'title' | 'inFlight'> {
  readonly lane?: 'single';
}

function arm({ lane, ...about }: Way): Arm {
  const own = lane === 'single' ? 'cms' : 'cmp'; // A tenant of its own.
  return { ...about, open: (ground) => open(ground, `${own}${ground.run}`, lane) };
}

async function open(
  { stack, accord, atEnd }: Ground,
  tenant: string,
  lane: 'single' | undefined,
): Promise<OpenArm> {
  const local = await accord();
  const { urls, application, processes } = local;
  await openWorld(urls, tenant);
  const scopes = ['tx:start', 'tx:read'] as const;
  const authorization = await authorizationOf(urls.API_DATABASE_URL, {
    ...{ tenant, owner: 'bench', scopes },
  });
  const http = createHttpClient();
  atEnd(() => http.close());
  const admin = await openConnection({ url: stack.mysql.adminUrl, supportBigNumbers: true });
  atEnd(() => admin.end());
  const caller = createCaller(http, {
    ...{ apiUrl: application.apiUrl, authorization, tenant, answersAtOnce: false },
    ...(lane && { lane }),
  });
  return {
    version: `Accord ${packageJson.version}`,
    processes: [...processes.keys(), 'mysql', 'temporal', 'redis', 'kafka'],
    play: (at) => caller.play(startOf(choice, at)),
    check: async (played) => [...(await booksOf(tenant)), ...(await endingsOf(played))],
  };

  async function endingsOf(played: readonly Played[]): Promise<readonly Wrong[]> {
    const { counters } = await prove(
      local,
      admin,
      tenant,
      played.map(({ gid, ending }) => ({ gid, ending, mustBeRefused: false })),
    );
    return counters.map(({ name, seen }) => ({ name, count: Number(seen) }));
  }

  async function booksOf(of: string): Promise<readonly Wrong[]> {
    const database = `\`${databasePrefix}accounts\``;
    const count = async (sql: string, value: string): Promise<number> => {
      const [[row]] = await admin.query<(RowDataPacket & { n: number | string })[]>(sql, [value]);
      return Math.abs(Number(row?.n ?? 0));
    };
    return [
      {
        name: 'sum of all accounts',
        count: await count(
          `SELECT SUM(balance + held) AS n FROM ${database}.accounts WHERE tenant = ?`,
          of,
        ),
      },
      {
        name: 'transfers without exactly four entries that sum to zero',
        count: await count(
          `SELECT COUNT(*) AS n FROM (
               SELECT r.gid FROM \`${databasePrefix}accord\`.runs r
                 LEFT JOIN ${database}.ledger_entries e ON e.gid = r.gid
                 WHERE r.tenant = ? AND r.state = 'completed'
                 GROUP BY r.gid HAVING COUNT(e.id) <> 4 OR SUM(e.amount) <> 0) AS wrong`,
          of,
        ),
      },
    ];
  }
}
