import type { AccountsActivities } from '../../contracts/participants';
import {
  gidOf,
  stepKeyOf,
  type BusinessId,
  type Gid,
  type StepKey,
} from '../../contracts/engine/ids';
import { createAccounts } from '../../activities/accounts/activities';
import type { Delivery } from '../../activities/fence/delivery';
import { regionEpoch, type EpochSource } from '../../activities/fence/epoch';
import { inertFaultPoints, type FaultPoint, type FaultPoints } from '../../runtime/faults/points';
import { createFence, inertFenceMetrics, type FenceMetrics } from '../../activities/fence/fence';
import type { FenceState } from '../../activities/fence/rows';
import type { VelocityMeter } from '../../activities/accounts/risk-velocity';
import type { Fence } from '../../activities/fence/participant';
import type { SqlLimits, SqlPool } from '../../activities/fence/sql-transaction';
import { ownDatabases, unhurried, type OwnDatabases } from './databases';

/** An attempt that was scheduled now and has ten seconds. */
export const aDelivery = (change: Partial<Delivery> = {}): Delivery => ({
  issuedAt: Date.now(),
  signal: new AbortController().signal,
  deadline: performance.now() + 60_000,
  traceparent: null,
  ...change,
});

/** A hub that has said one epoch. */
export const epochsAt = (epoch: number): EpochSource => ({
  carried: () => Promise.resolve(epoch),
  forget: () => undefined,
});

interface Wiring {
  readonly pool?: SqlPool;
  readonly delivery?: () => Delivery;
  readonly epochs?: EpochSource;
  readonly faults?: FaultPoints;
  readonly metrics?: FenceMetrics;
  /** Left out: nothing may be measured. */
  readonly velocity?: VelocityMeter;
}

export type Participant = AccountsActivities & { readonly fence: Fence };

/** The participant `accounts` on databases of its own: the fence with a real business behind it. */
export interface FencedAccounts {
  readonly own: OwnDatabases;
  /** Pool of the worker's user. */
  readonly pool: SqlPool;
  readonly admin: SqlPool;
  /** A worker; by default one to which nothing happens. */
  participant(wiring?: Wiring): Participant;
  slowPool(limits: SqlLimits): SqlPool;
  /** A new customer with that much free money, and its opening entries. */
  customer(minorUnits: number): Promise<BusinessId>;
  merchant(): Promise<BusinessId>;
  balance(accountId: BusinessId): Promise<{ readonly free: number; readonly held: number }>;
  row(key: StepKey): Promise<FenceRowSeen | undefined>;
  /** What the oracles of the participant find wrong: nothing, in a sound database. */
  violations(): Promise<readonly unknown[]>;
  drop(): Promise<void>;
}

export interface FenceRowSeen {
  readonly state: FenceState;
  readonly deliveries: number;
  readonly reason: string | null;
}

let counter = 0;

const measured = () => Promise.reject(new Error('Nothing is measured in this test.'));
const unmetered: VelocityMeter = { take: measured, giveBack: measured };

/** The participant over a fence of the test's own. */
export const accountsOver = createAccounts(unmetered);

export const aGid = (): Gid => gidOf('order', `acme.T-${(counter += 1)}`);
export const aKey = (branch = 'holdFunds', gid = aGid()): StepKey => stepKeyOf(gid, branch);

const tenant = 'acme';
const external = 'acme.external-EUR';

export async function fencedAccounts(): Promise<FencedAccounts> {
  const own = await ownDatabases(['accounts']);
  const pool = own.pool(own.urls.ACCOUNTS_DATABASE_URL, {
    connectionLimit: 24,
    limits: unhurried,
  });
  const admin = own.pool(own.adminUrl('accounts'), { connectionLimit: 4 });
  await admin.change(
    `INSERT INTO accounts (id, tenant, kind, currency) VALUES (?, ?, 'external', 'EUR')`,
    [external, tenant],
  );

  const open = async (kind: string): Promise<BusinessId> => {
    const id = `${tenant}.${kind}-${(counter += 1)}`;
    await admin.change(
      `INSERT INTO accounts (id, tenant, kind, currency) VALUES (?, ?, ?, 'EUR')`,
      [id, tenant, kind],
    );
    return id;
  };

  return {
    own,
    pool,
    admin,
    participant({ velocity = unmetered, ...wiring } = {}) {
      const fence = createFence({
        pool,
        epochRow: regionEpoch,
        epochs: epochsAt(1),
        faults: inertFaultPoints,
        delivery: () => aDelivery(),
        metrics: inertFenceMetrics,
        ...wiring,
      });
      return { ...createAccounts(velocity)(fence), fence };
    },
    slowPool: (limits) => own.pool(own.urls.ACCOUNTS_DATABASE_URL, { connectionLimit: 8, limits }),
    async customer(minorUnits) {
      const id = await open('customer');
      if (minorUnits > 0) await payIn(admin, id, minorUnits);
      return id;
    },
    merchant: () => open('merchant'),
    async balance(accountId) {
      const [row] = await admin.select<{ balance: string; held: string }>(
        'SELECT balance, held FROM accounts WHERE id = ?',
        [accountId],
      );
      return { free: Number(row?.balance), held: Number(row?.held) };
    },
    async row(key) {
      const slash = key.lastIndexOf('/');
      const [row] = await admin.select<FenceRowSeen>(
        'SELECT state, deliveries, reason FROM fence WHERE gid = ? AND branch = ?',
        [key.slice(0, slash), key.slice(slash + 1)],
      );
      return row;
    },
    violations: () => violationsOf(admin),
    drop: () => own.drop(),
  };
}

async function payIn(admin: SqlPool, id: BusinessId, minorUnits: number): Promise<void> {
  await admin.change('UPDATE accounts SET balance = balance - ? WHERE id = ?', [
    minorUnits,
    external,
  ]);
  await admin.change('UPDATE accounts SET balance = balance + ? WHERE id = ?', [minorUnits, id]);
  await admin.change(
    'INSERT INTO ledger_entries (gid, branch, op, account_id, currency, amount) VALUES ?',
    [
      [
        [`opening:${id}`, 'opening', 'opening', external, 'EUR', -minorUnits],
        [`opening:${id}`, 'opening', 'opening', id, 'EUR', minorUnits],
      ],
    ],
  );
}

/** Statements A, B, C, C2, G, F, F2 of the oracle pack: each returns its violations. */
const oracles = [
  `SELECT 'A' AS oracle, currency, SUM(balance + held) s FROM accounts GROUP BY currency HAVING s <> 0`,
  `SELECT 'B' AS oracle, gid, branch, op, currency, SUM(amount) d FROM ledger_entries
     GROUP BY gid, branch, op, currency HAVING d <> 0`,
  `SELECT 'C' AS oracle, a.id FROM accounts a LEFT JOIN (SELECT account_id, SUM(amount) s FROM ledger_entries
     GROUP BY account_id) e ON e.account_id = a.id WHERE a.balance + a.held <> COALESCE(e.s, 0)`,
  `SELECT 'C2' AS oracle, a.id FROM accounts a LEFT JOIN (SELECT account_id, SUM(amount) s FROM holds
     WHERE state = 'held' GROUP BY account_id) h ON h.account_id = a.id WHERE a.held <> COALESCE(h.s, 0)`,
  `SELECT 'G' AS oracle, gid, branch, op, account_id, COUNT(*) n FROM ledger_entries
     GROUP BY gid, branch, op, account_id HAVING n > 1`,
  `SELECT 'F' AS oracle, f.gid, f.branch, f.state, GROUP_CONCAT(DISTINCT o.op ORDER BY o.op) ops FROM fence f
     LEFT JOIN outbox o ON o.gid = f.gid AND o.branch = f.branch GROUP BY f.gid, f.branch, f.state
     HAVING COALESCE(ops, '') <> CASE f.state WHEN 'acted' THEN 'act' WHEN 'confirmed' THEN 'act,confirm'
       WHEN 'undone' THEN 'act,undo' ELSE '' END`,
  `SELECT 'F2' AS oracle, o.gid, o.branch FROM outbox o LEFT JOIN fence f ON f.gid = o.gid AND f.branch = o.branch
     WHERE f.gid IS NULL`,
] as const;

async function violationsOf(admin: SqlPool): Promise<readonly unknown[]> {
  const found = await Promise.all(oracles.map((sql) => admin.select(sql)));
  return found.flat();
}

/** Holds one delivery at a point until it is let go. */
export interface HoldPoint extends FaultPoints {
  /** Settles when the delivery has come to the point. */
  readonly reached: Promise<void>;
  release(): void;
}

export function holdAt(point: FaultPoint): HoldPoint {
  let arrive = (): void => undefined;
  let release = (): void => undefined;
  const reached = new Promise<void>((resolve) => (arrive = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  return {
    reached,
    release,
    async reach(_activity, at) {
      if (at !== point) return;
      arrive();
      await released;
    },
  };
}
