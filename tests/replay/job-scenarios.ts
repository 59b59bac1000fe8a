import { shop } from '../../contracts/shop';
import { setTimeout as delay } from 'node:timers/promises';

import type {
  Finding,
  OpenRun,
  ReconciliationActivities,
} from '../../contracts/engine/reconciliation';
import type { Observation, WatchActivities, WatchDecision } from '../../contracts/regions/watch';
import type { RetentionActivities } from '../../contracts/engine/retention';
import { aSettlement, aTransfer } from '../workflows/support/builders';

/** A job, which is no transaction: recorded once it has ended, the first of its runs where it goes on in another. */
export interface JobScenario {
  readonly name: string;
  readonly workflow: string;
  readonly args: readonly unknown[];
  /** Beside those of the transactions that it starts. */
  readonly activities: Readonly<Record<string, (request: never) => Promise<unknown>>>;
}

const named = (room: string, activities: object) =>
  Object.fromEntries(
    Object.entries(activities).map(([name, activity]) => [`${room}.${name}`, activity as never]),
  );

const retention = (overrides: Partial<RetentionActivities>): JobScenario['activities'] =>
  named('retention', {
    participants: () => Promise.resolve(shop.fenced),
    stampFence: () => Promise.resolve({ stamped: 1, leaked: 0, next: null }),
    deleteExpired: () => Promise.resolve({ deleted: 2, more: false }),
    expireKeys: () => Promise.resolve({ expired: 3, more: false }),
    ...overrides,
  } satisfies RetentionActivities);

const cursor = { createdAt: '2026-11-01 00:00:00.000', gid: 'order:acme.O-1', branch: 'holdFunds' };

/** Answers so once, then with the rest. */
function once<Result>(first: Result, then: Result): () => Promise<Result> {
  let calls = 0;
  return () => Promise.resolve((calls += 1) === 1 ? first : then);
}

const leaked: Finding = {
  kind: 'leaked_reservation',
  participant: 'inventory',
  gid: 'order:acme.O-1',
  branch: 'reserveStock',
  subject: 'order:acme.O-1/reserveStock',
  amounts: [{ kind: 'stock', sku: 'acme.S-1', quantity: 2 }],
  ageSeconds: 400,
  detail: 'Its transaction has ended.',
};

/** The same transaction on two pages of one round: the second start finds it running. */
function lostRun(): OpenRun {
  const input = aTransfer();
  const { gid } = input;
  const finding: Finding = {
    ...leaked,
    kind: 'run_without_owner',
    participant: 'accord',
    gid,
    branch: null,
    subject: gid,
  };
  return { finding, gid, workflow: 'transfer', input };
}

const nothingDiffers = { findings: [], seen: { walkedTo: '' }, next: null };

const reconciliation = (overrides: Partial<ReconciliationActivities>): JobScenario['activities'] =>
  named('reconciliation', {
    beginRound: () =>
      Promise.resolve({ since: '2026-11-21 00:00:00.000', participants: shop.reserving }),
    reservations: () => Promise.resolve({ judged: [], looked: 3, next: null }),
    openRuns: () => Promise.resolve({ runs: [], next: null }),
    unbookedSteps: () => Promise.resolve({ findings: [], next: null }),
    isRunning: () => Promise.resolve(false),
    claimStarts: ({ gids }: { readonly gids: readonly string[] }) => Promise.resolve(gids),
    differingBooks: () => Promise.resolve(nothingDiffers),
    noteBooks: () => Promise.resolve(null),
    record: () => Promise.resolve(null),
    closeUnseen: () => Promise.resolve(null),
    ...overrides,
  });

const judged = {
  finding: leaked,
  repair: { activity: 'inventory.releaseStock', verb: 'undo' },
} as const;
const run = lostRun();
const findings: Partial<ReconciliationActivities> = {
  reservations: once(
    { judged: [judged], looked: 1, next: null },
    { judged: [], looked: 0, next: null },
  ),
  differingBooks: once(
    { ...nothingDiffers, findings: [{ ...leaked, kind: 'books_differ' }] },
    nothingDiffers,
  ),
};

const lostRuns: Partial<ReconciliationActivities> = {
  openRuns: () => Promise.resolve({ runs: [run, run], next: null }),
};

const settled = aSettlement({ pageRows: 10 });
const acmeEur = { tenant: 'acme', currency: 'EUR' } as const;

/** Decides everything once, one after the other, and then has nothing to watch. */
function everyDecision(): JobScenario['activities'] {
  const wanted = {
    epoch: 7,
    sequence: 3,
    from: 'a',
    to: 'b',
    reason: 'It is silent.',
    force: false,
  };
  const decisions: WatchDecision[] = [
    { kind: 'page', code: 'silent_at_link', detail: 'One of two.' },
    { kind: 'page', code: 'silent_at_link', detail: 'Told once.' },
    { kind: 'degrade', epoch: 7, detail: 'The standby is gone.' },
    { kind: 'ask', ...wanted, since: 1 },
    { kind: 'failover', ...wanted, since: 1 },
    { kind: 'resync', epoch: 7, sequence: 3, region: 'b', active: 'a' },
    { kind: 'nothing' },
  ];
  const seen = { misses: 0, since: 1 };
  const observation: Observation = {
    ...{ epoch: 7, active: 'a', standby: 'b', at: 1 },
    ...{ answers: seen, reads: seen, writes: seen, standbyReads: seen, standbyFollows: seen },
  };
  return named('watch', {
    observe: async () => {
      await delay(50); // Several decisions in the time of one look, and several looks in that of one decision.
      return decisions.length === 0 ? null : observation;
    },
    decide: () =>
      Promise.resolve({ decision: decisions.shift() ?? { kind: 'nothing' }, againMs: 20 }),
    page: () => Promise.resolve(null),
    degrade: () => Promise.resolve(true),
    requestFailover: () => Promise.resolve(null), // It has ended.
    askFailover: () => Promise.resolve(null),
    requestResync: () => Promise.resolve(null),
  } satisfies WatchActivities);
}

export const jobScenarios: readonly JobScenario[] = [
  { name: 'retention-completed', workflow: 'retention', args: [], activities: retention({}) },
  {
    name: 'retention-pages',
    workflow: 'retention',
    args: [],
    activities: retention({
      stampFence: once(
        { stamped: 5, leaked: 1, next: cursor },
        { stamped: 0, leaked: 0, next: null },
      ),
      deleteExpired: once({ deleted: 5, more: true }, { deleted: 0, more: false }),
      expireKeys: once({ expired: 5, more: true }, { expired: 0, more: false }),
    }),
  },
  {
    name: 'retention-continued',
    workflow: 'retention',
    args: [
      {
        done: { stamped: 7, leaked: 1, deleted: 4, expiredKeys: 0, isComplete: true },
        at: 3,
        after: cursor,
      },
    ],
    activities: retention({}),
  },
  {
    name: 'reconcile-completed',
    workflow: 'reconcile',
    args: [{ dryRun: false }],
    activities: reconciliation({}),
  },
  {
    name: 'reconcile-repaired',
    workflow: 'reconcile',
    args: [{ dryRun: false }],
    activities: reconciliation(findings),
  },
  {
    name: 'reconcile-dry-run',
    workflow: 'reconcile',
    args: [{ dryRun: true }],
    activities: reconciliation({
      ...findings,
      reservations: () => Promise.resolve({ judged: [judged], looked: 1, next: null }),
    }),
  },
  {
    name: 'recover-nothing',
    workflow: 'recover',
    args: [{ dryRun: false }],
    activities: reconciliation({}),
  },
  {
    name: 'recover-recovered',
    workflow: 'recover',
    args: [{ dryRun: false }],
    activities: reconciliation(lostRuns),
  },
  {
    name: 'recover-dry-run',
    workflow: 'recover',
    args: [{ dryRun: true }],
    activities: reconciliation(lostRuns),
  },
  {
    name: 'settle-day-completed',
    workflow: 'settleDay',
    args: [{ day: '2026-11-19' }],
    activities: named('reconciliation', {
      settlementsDue: once(
        { due: [acmeEur], next: acmeEur },
        { due: [{ tenant: 'ended', currency: 'EUR' }], next: null },
      ),
      acceptSettlement: once({ gid: settled.gid, input: settled }, null as never),
    }),
  },
  {
    name: 'settle-day-nothing',
    workflow: 'settleDay',
    args: [{ day: null }],
    activities: named('reconciliation', {
      settlementsDue: () => Promise.resolve({ due: [], next: null }),
      acceptSettlement: () => Promise.resolve(null),
    }),
  },
  {
    name: 'settle-day-not-over',
    workflow: 'settleDay',
    args: [{ day: '2999-01-01' }],
    activities: {},
  },
  {
    name: 'region-watch-ended',
    workflow: 'regionWatch',
    args: [{ cluster: 'main' }],
    activities: everyDecision(),
  },
];
