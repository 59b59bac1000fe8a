/** One drill: load, a fault, the switch, the way back, and the count of what was acknowledged. */
import { createConnection, type RowDataPacket } from 'mysql2/promise';

import { askRouter } from '../../activities/regions/router-client';
import { databasePrefix } from '../databases';
import { signal } from '../stack/process';
import type { Region } from '../stack/profile';
import { serverProcess } from '../stack/stack';
import { pause } from '../stack/waiting';
import { hubUrlOf, type Cluster } from './cluster';
import { rolesOf } from './roles';
import { rejoinRegion, switchRegions } from './switch';
import { drillTable, startWriters, type Writers } from './writers';

export const drillKinds = ['planned', 'crash', 'freeze', 'partition'] as const;
export type DrillKind = (typeof drillKinds)[number];

export interface DrillReport {
  readonly kind: DrillKind;
  readonly from: Region;
  readonly to: Region;
  readonly acked: number;
  /** Acknowledged, and not in the region that is active now. */
  readonly lost: number;
  readonly unknown: number;
  readonly unknownApplied: number;
  readonly writeGapMs: number;
  /** From the fault, or the order, until a write was acknowledged in the new epoch. */
  readonly rtoMs: number;
  readonly refusedStaleWrites: number;
  /** Writes that the old region acknowledged after the new one was promoted. */
  readonly ackedByOld: number;
  readonly fence: string;
  readonly steps: Readonly<Record<string, number>>;
  /** Promises that were broken, a sentence each. */
  readonly broken: readonly string[];
}

const writers = { app: 8, stale: 2, zombie: 2 } as const;
const warmUpMs = 3_000;
const afterMs = 3_000;
const detectionMs = 1_500;

export async function runDrill(
  kind: DrillKind,
  cluster: Cluster,
  say: (line: string) => void,
): Promise<DrillReport> {
  const { stack, addresses } = cluster;
  const { active: from, standby: to } = await rolesOf(hubUrlOf(stack));
  await prepareTable(addresses.mysqlUrl);
  const first = await hubOf(stack);
  const load = startWriters(
    {
      routed: into(addresses.mysqlUrl),
      straight: into(addresses.regions[from].straight.mysqlUrl),
      epoch: async () => (await hubOf(stack)).epoch,
    },
    writers,
    first.epoch,
  );
  await pause(warmUpMs);
  const faultAt = performance.now();
  await strike(kind, cluster, from);
  const result = await switchRegions(stack, {
    to,
    kind: kind === 'planned' ? 'planned' : 'unplanned',
    reason: `drill ${kind}`,
    mayBeginAlone: false,
  });
  const switchedAt = performance.now();
  if (result.outcome !== 'completed') {
    await load.stop();
    await heal(kind, cluster, from);
    throw new Error(`The switch was taken back: ${result.reason.detail}`);
  }
  await pause(afterMs);
  await load.stop();
  await heal(kind, cluster, from);
  const counted = await count(load, addresses.regions[to].straight.mysqlUrl);
  say('  the lost region comes back …');
  await rejoinRegion(stack, from);
  const app = load.record('app');
  const rtoMs = Math.round((app.ackedAt.find((at) => at > switchedAt) ?? switchedAt) - faultAt);
  const old = load.record('zombie').ackedAt.filter((at) => at > switchedAt).length;
  const fenceStep = result.steps.find(({ name }) => name === 'fenceRegion');
  const report = {
    kind,
    from,
    to,
    ...counted,
    writeGapMs: app.gapMs,
    rtoMs,
    refusedStaleWrites: load.record('stale').stale + load.record('zombie').stale,
    ackedByOld: old,
    fence: fenceStep?.detail ?? 'proved',
    steps: Object.fromEntries(
      result.steps.map(({ name, startedAt, endedAt }) => [
        name,
        (endedAt ?? startedAt) - startedAt,
      ]),
    ),
  };
  return { ...report, broken: brokenBy(report, result.outcome) };
}

function brokenBy(report: Omit<DrillReport, 'broken'>, outcome: string): readonly string[] {
  const { kind, lost, unknown, writeGapMs, rtoMs, ackedByOld } = report;
  const within = kind === 'planned' ? 2_000 : kind === 'partition' ? 12_000 : 5_000;
  return [
    ...(outcome === 'completed' ? [] : [`${kind}: the switch was ${outcome}.`]),
    ...(lost === 0 ? [] : [`${kind}: ${lost} acknowledged writes are lost.`]),
    ...(ackedByOld === 0 ? [] : [`${kind}: the old region acknowledged ${ackedByOld} writes.`]),
    ...(kind !== 'planned' || unknown === 0 ? [] : [`planned: ${unknown} unknown outcomes.`]),
    ...(kind === 'planned' && writeGapMs > within ? [`planned: a gap of ${writeGapMs} ms.`] : []),
    ...(kind !== 'planned' && rtoMs > within ? [`${kind}: back after ${rtoMs} ms.`] : []),
  ];
}

async function strike(kind: DrillKind, { addresses }: Cluster, from: Region): Promise<void> {
  const victim = serverProcess('regions', `mysql-${from}`);
  if (!victim) throw new Error(`MySQL of region ${from} does not run.`);
  switch (kind) {
    case 'planned':
      return;
    case 'crash':
      signal(victim, 'SIGKILL');
      break;
    case 'freeze':
      signal(victim, 'SIGSTOP');
      break;
    case 'partition': // From the hub and from the other region; clients reach both.
      await askRouter(addresses.router, { routes: linksOf(from), state: 'blackhole' });
      break;
  }
  await pause(detectionMs);
}

async function heal(kind: DrillKind, { addresses }: Cluster, from: Region): Promise<void> {
  const victim = serverProcess('regions', `mysql-${from}`);
  if (kind === 'freeze' && victim) signal(victim, 'SIGCONT');
  if (kind === 'partition')
    await askRouter(addresses.router, { routes: linksOf(from), state: 'open', cut: true });
}

const linksOf = (from: Region) =>
  from === 'a'
    ? (['hub-mysql-a', 'hub-redis-a', 'mysql-a-to-b', 'redis-a-to-b'] as const).slice()
    : (['hub-mysql-b', 'hub-redis-b', 'mysql-b-to-a', 'redis-b-to-a'] as const).slice();

async function count(load: Writers, straight: string) {
  const there = await idsIn(straight);
  const all = (['app', 'stale', 'zombie'] as const).map((kind) => load.record(kind));
  const acked = all.flatMap((record) => [...record.acked]);
  const unknown = all.flatMap((record) => [...record.unknown]);
  return {
    acked: acked.length,
    lost: acked.filter((id) => !there.has(id)).length,
    unknown: load.record('app').unknown.size,
    unknownApplied: unknown.filter((id) => there.has(id)).length,
  };
}

async function idsIn(url: string): Promise<ReadonlySet<string>> {
  const connection = await createConnection({ uri: into(url) });
  try {
    const [rows] = await connection.query<(RowDataPacket & { readonly id: string })[]>(
      `SELECT CAST(id AS CHAR) AS id FROM ${drillTable}`,
    );
    return new Set(rows.map(({ id }) => id));
  } finally {
    await connection.end();
  }
}

async function prepareTable(adminUrl: string): Promise<void> {
  const connection = await createConnection({ uri: into(adminUrl) });
  try {
    await connection.query(
      `CREATE TABLE IF NOT EXISTS ${drillTable} (id VARBINARY(96) NOT NULL PRIMARY KEY, epoch INT UNSIGNED NOT NULL)`,
    );
    await connection.query(`TRUNCATE TABLE ${drillTable}`);
  } finally {
    await connection.end();
  }
}

const into = (url: string): string => {
  const address = new URL(url);
  address.pathname = `/${databasePrefix}orders`;
  return address.toString();
};

async function hubOf(stack: Cluster['stack']): Promise<{ readonly epoch: number }> {
  const connection = await createConnection({ uri: hubUrlOf(stack) });
  try {
    const [rows] = await connection.query<(RowDataPacket & { readonly epoch: number })[]>(
      `SELECT epoch FROM cluster_state WHERE cluster = 'main'`,
    );
    return { epoch: Number(rows[0]?.epoch) };
  } finally {
    await connection.end();
  }
}
