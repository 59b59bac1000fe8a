/**
 * Clients of a cluster's database, with a record of their own: which writes were acknowledged, which were refused, and
 * which have an unknown outcome. Some carry the current epoch, some an old one, and some go round the router.
 */
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { pause } from '../../runtime/waiting';
import { openConnection } from '../../runtime/mysql/door';

export type WriterKind =
  /** Along the router, with the epoch that the hub says. */
  | 'app'
  /** Along the router, with the epoch of the beginning, for ever. */
  | 'stale'
  /** Straight to the region that was active, with the epoch of the beginning. */
  | 'zombie';

export interface WriteRecord {
  /** When each was acknowledged, in milliseconds since 1970. */
  readonly acked: ReadonlyMap<string, number>;
  readonly unknown: ReadonlySet<string>;
  /** Writes of who carried another epoch than the database's. */
  readonly stale: number;
  readonly refused: number;
  /** The longest time in which no write of an `app` was acknowledged, in milliseconds. */
  readonly gapMs: number;
}

export interface Writers {
  record(kind: WriterKind): WriteRecord;
  stop(): Promise<void>;
}

export const drillTable = 'drill_writes';

const statementMs = 3_000;
const restMs = 20;
/** Pause after a refusal: a client backs off a little. */
const refusedRestMs = 100;

interface Site {
  /** Address for the application, by the router. */
  readonly routed: string;
  /** Address for the application, directly to the region that is active at the beginning. */
  readonly straight: string;
  /** The epoch that a write has to carry now. */
  readonly epoch: () => Promise<number>;
}

export function startWriters(
  site: Site,
  counts: Readonly<Record<WriterKind, number>>,
  firstEpoch: number,
): Writers {
  let isStopping = false;
  const records = new Map<WriterKind, Mutable>();
  for (const kind of ['app', 'stale', 'zombie'] as const)
    records.set(kind, { acked: new Map(), unknown: new Set(), stale: 0, refused: 0 });
  let known: number | undefined;

  async function write(kind: WriterKind, record: Mutable, who: string): Promise<void> {
    let connection: Connection | undefined;
    for (let n = 0; !isStopping; n += 1) {
      const id = `${who}-${n}`;
      const step = { isCommitting: false };
      try {
        known ??= await site.epoch();
        const carried = kind === 'app' ? known : firstEpoch;
        connection ??= await open(kind === 'zombie' ? site.straight : site.routed);
        await bounded(connection, () => insert(connection, id, carried, step));
        record.acked.set(id, Date.now());
        await pause(restMs);
      } catch (error) {
        if (error instanceof Stale) {
          record.stale += 1;
          known = undefined;
        } else if (step.isCommitting && !isRefusal(error)) record.unknown.add(id);
        else record.refused += 1;
        connection?.destroy();
        connection = undefined;
        await pause(refusedRestMs);
      }
    }
    connection?.destroy();
  }
  const writing = [...records].flatMap(([kind, record]) =>
    Array.from({ length: counts[kind] }, (_, at) =>
      write(kind, record, `${kind}-${at}-${Date.now()}`),
    ),
  );

  return {
    record(kind) {
      const record = records.get(kind);
      if (!record) throw new Error(`There are no ${kind} writers.`);
      return { ...record, gapMs: longestGap([...record.acked.values()]) };
    },
    async stop() {
      isStopping = true;
      await Promise.all(writing);
    },
  };
}

interface Mutable {
  readonly acked: Map<string, number>;
  readonly unknown: Set<string>;
  stale: number;
  refused: number;
}

class Stale extends Error {}

const open = (uri: string): Promise<Connection> =>
  openConnection({ url: uri, connectMs: statementMs });

/** @returns whether a write is refused with an error, or no server is reachable. No answer is no refusal. */
export async function refusesWrites(url: string): Promise<boolean> {
  let connection: Connection;
  try {
    connection = await open(url);
  } catch (error) {
    return isRefusal(error);
  }
  try {
    await bounded(connection, async () => {
      await connection.query(`INSERT INTO ${drillTable} (id, epoch) VALUES (?, 0)`, [
        `probe-${Date.now()}`,
      ]);
    });
    return false;
  } catch (error) {
    return isRefusal(error);
  } finally {
    connection.destroy();
  }
}

const refusals = ['ECONNREFUSED', 'ER_OPTION_PREVENTS_STATEMENT'];
const isRefusal = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  'code' in error &&
  refusals.some((code) => code === error.code);

/** A write as our fence makes it: the epoch first, locked until COMMIT. */
async function insert(
  connection: Connection | undefined,
  id: string,
  carried: number,
  step: { isCommitting: boolean },
): Promise<void> {
  if (!connection) return;
  await connection.query('START TRANSACTION');
  const [rows] = await connection.query<(RowDataPacket & { readonly epoch: number })[]>(
    'SELECT epoch FROM region_epoch WHERE id = 1 FOR SHARE',
  );
  if (rows[0]?.epoch !== carried) {
    await connection.query('ROLLBACK');
    throw new Stale();
  }
  await connection.query(`INSERT INTO ${drillTable} (id, epoch) VALUES (?, ?)`, [id, carried]);
  step.isCommitting = true;
  await connection.query('COMMIT');
}

async function bounded(connection: Connection, work: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      connection.destroy();
      reject(new Error('No answer.'));
    }, statementMs);
  });
  const working = work();
  working.catch(() => undefined); // It may end after its deadline, without a waiting caller.
  try {
    await Promise.race([working, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** @param times in any order. */
export function longestGap(times: readonly number[]): number {
  const sorted = times.toSorted((one, other) => one - other);
  const gaps = sorted.slice(1).map((time, at) => time - (sorted[at] ?? time));
  return Math.round(Math.max(0, ...gaps));
}
