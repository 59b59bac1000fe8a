/** The fence of a region that was active: it takes no write any more, in one of two ways, and a failing write proves it. */
import type { Connection } from 'mysql2/promise';

import type { FenceProof } from '../../../contracts/participants/regions';
import { openConnection, SessionNotSet } from '../../../runtime/mysql/door';
import { askAgent } from './agent-client';
import { PostconditionFailed, refuseWrites, withRegion } from './mysql-region';
import { holdOpening } from './opening';

/** An application's user that may write a heartbeat: what it is refused, clients are refused. */
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
/** MySQL's own words for a server that takes no writes. */
const readOnlyErrno = 1290;

/**
 * Planned: by its own word, and by death where that takes too long. Else both at once: the first proof wins.
 *
 * @throws PostconditionFailed where an application's write is still taken; what else goes wrong where none of both ways
 *   was proved.
 */
export async function fence(
  region: FencedRegion,
  isPlanned: boolean,
  probe: FenceProbe,
): Promise<FenceProof> {
  const began = performance.now();
  const bySql = (): Promise<'sql'> =>
    withRegion(region.mysqlUrl, sqlFenceMs, async (mysql) => {
      await holdOpening(mysql); // Who is about to open it must not do so behind the fence.
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

/** @throws PostconditionFailed where an application's write is not refused, or the server is there and says nothing. */
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
      timeout: probeMs, // Silence proves nothing, and must not use up the attempt.
    });
  } catch (error) {
    if (isRefusedWrite(error)) return;
    const wasThere = isOfServer(error) || error instanceof SessionNotSet;
    if (connection === undefined && !wasThere) return; // Nobody is there, or nobody gets there.
    throw error;
  } finally {
    connection?.destroy();
  }
  throw new PostconditionFailed('The old region still takes writes.');
}

/** It is there, and has said something else than that it takes no writes: that it is full, for one. */
const isOfServer = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'sqlState' in error;

const isRefusedWrite = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'errno' in error && error.errno === readOnlyErrno;
