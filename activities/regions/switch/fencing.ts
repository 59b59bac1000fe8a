/** Fences a region that was active. It takes no writes any more, in one of two ways, and a refused write proves it. */
import type { Connection } from 'mysql2/promise';

import type { FenceProof } from '../../../contracts/regions/regions';
import { openConnection, SessionNotSet } from '../../../runtime/mysql/door';
import { askAgent } from './agent-client';
import { PostconditionFailed, refuseWrites, withRegion } from './mysql-region';
import { holdOpening } from './opening';

/** A user of the application that may write a heartbeat. If its write is refused, writes of clients are refused. */
export interface FenceProbe {
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

interface FencedRegion {
  readonly mysqlUrl: string;
  readonly agent: string;
}

const sqlFenceMs = 1_500;
const killMs = 1_000;
const probeMs = 2_000;
/** MySQL's error of a read-only server. */
const readOnlyErrno = 1290;

/**
 * Planned: by SQL, and by a kill if SQL takes too long. Unplanned: both at once, and the first proof wins.
 *
 * @throws PostconditionFailed if a write of the application still succeeds; another error if neither way was proved.
 */
export async function fence(
  region: FencedRegion,
  isPlanned: boolean,
  probe: FenceProbe,
): Promise<FenceProof> {
  const began = performance.now();
  const bySql = (): Promise<'sql'> =>
    withRegion(region.mysqlUrl, sqlFenceMs, async (mysql) => {
      await holdOpening(mysql); // A session that is opening the region must not do so after the fence.
      await refuseWrites(mysql);
    }).then(() => 'sql');
  const byDeath = (): Promise<'kill'> =>
    askAgent(region.agent, { kill: true }, killMs).then(() => 'kill');
  const way = await (isPlanned
    ? bySql().catch(() => byDeath())
    : Promise.any([bySql(), byDeath()]));
  await demandRefused(region, probe);
  return { way, ms: Math.round(performance.now() - began) };
}

/** @throws PostconditionFailed if a write of the application is not refused, or a reachable server does not answer. */
async function demandRefused({ mysqlUrl }: FencedRegion, probe: FenceProbe): Promise<void> {
  const url = new URL(mysqlUrl);
  url.username = probe.user;
  url.password = probe.password;
  url.pathname = `/${probe.database}`;
  let connection: Connection | undefined;
  try {
    connection = await openConnection({ url: url.toString(), connectMs: probeMs });
    await connection.query({
      sql: `INSERT INTO heartbeat (source, seq, at_us, epoch) VALUES ('fence-proof', 1, 0, 0)
              ON DUPLICATE KEY UPDATE seq = seq + 1`,
      timeout: probeMs, // No answer proves nothing, and must not use up the time of the attempt.
    });
  } catch (error) {
    if (isRefusedWrite(error)) return;
    const wasThere = isOfServer(error) || error instanceof SessionNotSet;
    if (connection === undefined && !wasThere) return; // The server is dead, or not reachable.
    throw error;
  } finally {
    connection?.destroy();
  }
  throw new PostconditionFailed('The old region still takes writes.');
}

/** Whether the server answered with an error other than read-only, such as a full disk. */
const isOfServer = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'sqlState' in error;

const isRefusedWrite = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'errno' in error && error.errno === readOnlyErrno;
