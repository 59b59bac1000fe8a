import { createHash } from 'node:crypto';
import { pino } from 'pino';
import type { Redis } from 'ioredis';

import { makerAtHand, newKey, type Maker } from '../../../api/http/authentication';
import { loadConfig } from '../../../api/config';
import type { Environment } from '../../../runtime/environment';
import type { Dependencies } from '../../../api/dependencies';
import { shopApi } from '../../../api/shop';
import type { ShopStores } from '../../../api/shop/stores';
import type { Realm } from '../../../api/http/realms';
import { scopes, type Scope } from '../../../api/http/scopes';
import { buildServer, type Server } from '../../../api/server';
import type { ApprovalRow } from '../../../api/stores/approvals-store';
import type { AuditEntry } from '../../../api/stores/audit-store';
import type { ClusterView } from '../../../api/stores/cluster-store';
import type { ApiKey } from '../../../api/stores/keys-store';
import { positionOf } from '../../../api/stores/runs/lists';
import type { Claim, EarlierClaim, NewRun } from '../../../api/stores/runs/acceptance';
import type { RunRow } from '../../../api/stores/runs/rows';
import type { RegionObservation, ServiceObservation } from '../../../api/stores/watch-store';
import type { Temporal } from '../../../api/transactions/temporal';
import { defaultWatchPolicy, type WatchPolicy } from '../../../contracts/regions/watch';
import type { RegionStatus } from '../../../contracts/regions/regions';
import type { Decision, Timeline, TransactionInput } from '../../../contracts/engine/transaction';
import { fakeApprovals } from './fake-approvals';
import { fakeSteeringCalls } from './fake-steering-calls';

/** A configuration that names no server: for APIs over fakes. */
export const aConfig = (more: Environment = {}) =>
  loadConfig(shopApi.variables, {
    API_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/accord',
    API_ORDERS_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/orders',
    API_ACCOUNTS_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/accounts',
    API_INVENTORY_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/inventory',
    API_COUPONS_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/coupons',
    API_SECRET: 'a secret that every process of a test shares',
    REDIS_URL: 'redis://127.0.0.1:1',
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    LOG_LEVEL: 'silent',
    LOOP_DELAY_MAX_MS: '60000', // The machine of a test may be busy with other ones.
    ...more,
  });

export function aRun(more: Partial<RunRow> = {}): RunRow {
  return {
    gid: 'order:acme.O-1',
    tenant: 'acme',
    flow: 'order',
    state: 'running',
    step: 'holdFunds',
    reason: null,
    pivotPassed: false,
    lane: 'single',
    owner: more.gid ?? 'order:acme.O-1',
    region: 'a',
    epoch: 1,
    version: 3,
    acceptedAt: new Date('2026-01-01T00:00:00.000Z'),
    deadlineAt: new Date('2026-01-01T00:02:00.000Z'),
    stuckSinceMs: null,
    endedAt: null,
    startSentAt: new Date('2026-01-01T00:00:00.000Z'),
    startConfirmedAt: new Date('2026-01-01T00:00:00.100Z'),
    atRisk: [],
    early: null,
    resolvedByHand: null,
    requester: ['shop'],
    ending: null,
    ...more,
  };
}

/** A run that is parked, as it tells itself; by step, what may be decided there. */
export const aTimeline = (parked: Readonly<Record<string, readonly Decision[]>>): Timeline => ({
  ...{ gid: 'order:acme.O-1', state: 'parked', pivotPassed: false, step: null, steps: [] },
  parked: Object.entries(parked).map(([step, offered]) => ({
    ...{ step, decisions: offered, reason: 'undo_failed', detail: '', failures: 1, parkedAt: 0 },
  })),
  ...{
    atRisk: [],
    resolvedByHand: [],
    approvals: [],
    reason: null,
    notes: [],
    notesLeftOut: 0,
    reviewUntil: null,
    epoch: 1,
  },
  wasReset: false,
});

/** Region a is active, b stands by. */
export const aCluster = (more: Partial<ClusterView> = {}): ClusterView => ({
  region: 'a',
  epoch: 7,
  sync: true,
  state: 'steady',
  sequence: 3,
  holder: null,
  acknowledgedAt: new Date('2026-01-01T00:00:00.000Z'),
  regions: [aRegion('a', 'ACTIVE'), aRegion('b', 'STANDBY')],
  ...more,
});
export const aRegion = (region: string, status: RegionStatus) => ({
  region,
  status,
  changedAt: new Date('2026-01-01T00:00:00.000Z'),
});

export const anEndedRun = (ending: string, more: Partial<RunRow> = {}): RunRow =>
  aRun({ state: 'compensated', ending: Buffer.from(ending), endedAt: new Date(), ...more });

export const anOrder = (more: object = {}) => ({
  orderId: 'O-1',
  customerId: 'C-7',
  lines: [{ sku: 'S-1', quantity: 2, unitPrice: { currency: 'EUR', minorUnits: 625 } }],
  payment: { accountId: 'A-1', amount: { currency: 'EUR', minorUnits: 1250 } },
  ...more,
});

/** An API over fakes that a test can bend; everything that its stores are told is kept. */
export interface FakeApi extends Server {
  readonly rows: Map<string, RunRow>;
  /** Questions to a second person, by id. */
  readonly approvals: Map<string, ApprovalRow>;
  /** By name; `main` is the one whose health is shown. */
  readonly clusters: Map<string, ClusterView>;
  /** What the watch sees of the regions; fresh. */
  readonly observations: RegionObservation[];
  readonly services: ServiceObservation[];
  /** Changes of the policy of the watch. */
  readonly policies: readonly { readonly policy: WatchPolicy; readonly by: string }[];
  /** Inputs of accepted starts, by gid. */
  readonly inputs: ReadonlyMap<string, TransactionInput>;
  /** Earlier claims of keys. */
  readonly claims: Map<string, EarlierClaim>;
  readonly audited: AuditEntry[];
  readonly updates: unknown[];
  /** A credential of the tenant, or of the cluster `main`, with these scopes: all, if none are named. */
  credential(
    tenant?: string,
    given?: readonly Scope[],
    owner?: string,
    maker?: Maker,
    realm?: Realm,
  ): string;
}

/** Fakes of everything behind the API of the shop; `dependencies` and `stores` replace some of them. */
export async function fakeApi(
  dependencies: Partial<Dependencies<ShopStores>> = {},
  variables: Environment = {},
  stores: Partial<ShopStores> = {},
): Promise<FakeApi> {
  const rows = new Map<string, RunRow>();
  const inputs = new Map<string, TransactionInput>();
  const claims = new Map<string, EarlierClaim>();
  const keys = new Map<string, ApiKey>();
  const audited: AuditEntry[] = [];
  const updates: unknown[] = [];
  const approvals = fakeApprovals();
  const clusters = new Map<string, ClusterView>();
  const observations: RegionObservation[] = [];
  const services: ServiceObservation[] = [];
  const policies: { readonly policy: WatchPolicy; readonly by: string }[] = [];
  const own = (tenant: string) => [...rows.values()].filter((run) => run.tenant === tenant);
  const take = ({ input, acceptedAt }: NewRun): Claim => {
    const { gid, tenant, flow } = input;
    if (rows.has(gid)) return { kind: 'exists', gid };
    const fresh = { state: 'accepted', startSentAt: null, startConfirmedAt: null } as const;
    rows.set(gid, aRun({ gid, tenant, flow, acceptedAt, ...fresh }));
    inputs.set(gid, input);
    return { kind: 'accepted', owner: gid, sentAt: acceptedAt };
  };
  const update = (...args: unknown[]) => {
    updates.push(args);
    return Promise.resolve();
  };
  const server = await buildServer({
    config: aConfig(variables),
    routes: shopApi.routes,
    logger: pino({ level: 'silent' }),
    dependencies: {
      runs: {
        accept: (run) => Promise.resolve(take(run)),
        acceptSet: (runs) =>
          Promise.resolve(runs.map((run) => ({ status: 'fulfilled', value: take(run) }))),
        findClaim: ({ idempotencyKey }) => Promise.resolve(claims.get(idempotencyKey)),
        find: (tenant, gid) => Promise.resolve(own(tenant).find((run) => run.gid === gid)),
        inputOf: (_, gid) => Promise.resolve(inputs.get(gid)),
        list: (tenant, _, limit) => {
          const page = own(tenant).slice(0, limit);
          const last = own(tenant).length > limit ? page.at(-1) : undefined;
          return Promise.resolve({ rows: page, next: last ? positionOf(last) : null });
        },
        count: (tenant) => Promise.resolve(own(tenant).length),
        glance: (gids) => Promise.resolve(gids.flatMap((gid) => rows.get(gid) ?? [])),
        claimSending: () => Promise.resolve(true),
        giveBackSending: () => Promise.resolve(),
        giveBackUnsent: () => Promise.resolve(),
        confirmStarts: () => Promise.resolve(),
        dueOwners: () => Promise.resolve([]),
        claimOwner: () => Promise.resolve(undefined),
        confirmEnded: () => Promise.resolve(),
        backlog: () => Promise.resolve(0),
        cancelUnsent: () => Promise.resolve(true),
        book: () => Promise.resolve(true),
        attention: () => Promise.resolve({ parked: 0, stuck: 0, unbooked: 0 }),
      },
      keys: {
        find: (keyId) => Promise.resolve(keys.get(keyId)),
        list: () => Promise.resolve([...keys.values()]),
        add: () => Promise.resolve(),
        addOnce: () => Promise.resolve(),
        revoke: (_, keyId) => Promise.resolve(keys.delete(keyId)),
        touch: () => Promise.resolve(),
      },
      approvals,
      steeringCalls: fakeSteeringCalls(),
      cluster: {
        read: () => Promise.resolve(clusters.get('main')),
        find: (name) => Promise.resolve(clusters.get(name)),
      },
      watch: {
        observations: () => Promise.resolve(observations),
        services: () => Promise.resolve(services),
        policy: () =>
          Promise.resolve({
            policy: policies.at(-1)?.policy ?? defaultWatchPolicy,
            version: policies.length,
          }),
        changePolicy: (policy, by) => Promise.resolve(void policies.push({ policy, by })),
        changeSeenPolicy: (policy, { by, version }) => {
          const isSeen = version === policies.length;
          if (isSeen) policies.push({ policy, by });
          return Promise.resolve(isSeen);
        },
      },
      audit: {
        add: (entry) => {
          audited.push(entry);
          return Promise.resolve();
        },
        list: () => Promise.resolve([]),
      },
      invariants: {
        look: () =>
          Promise.resolve({
            at: new Date('2026-01-01T00:00:00.000Z'),
            books: { asked: 0, checks: [], violations: [] },
          }),
      },
      heartbeat: { beat: () => Promise.resolve() },
      stores: { ...shopStores, ...stores },
      temporal: aTemporal({ cancel: update, resolve: update, park: update, review: update }),
      redis: absentRedis(),
      redisCommands: absentRedis(),
      clock: {
        now: Date.now,
        premises: { server: 'clock', ask: () => Promise.resolve([]) },
      },
      brokenRedis: () => [],
      premises: [],
      namespace: {
        server: 'temporal',
        ask: () => Promise.resolve([]),
        demand: () => Promise.resolve(),
      },
      wakeUps: { listen: () => undefined },
      close: () => Promise.resolve(),
      ...dependencies,
    },
  });
  return {
    ...server,
    rows,
    approvals: approvals.rows,
    clusters,
    observations,
    services,
    policies,
    inputs,
    claims,
    audited,
    updates,
    credential(
      tenant = 'acme',
      given = scopes,
      named,
      maker,
      realm = tenant === 'main' ? 'cluster' : 'tenant',
    ) {
      const hash = createHash('sha256').update(tenant).digest('hex').slice(0, 8);
      const owner = named ?? `owner-${hash}`;
      const { key, credential } = newKey({
        ...{ realm, tenant, owner, maker: maker ?? makerAtHand(owner) },
        scopes: given,
        createdAt: new Date(),
        expiresAt: null,
      });
      keys.set(key.keyId, { ...key, revokedAt: null, lastUsedAt: null });
      return `Bearer ${credential}`;
    },
  };
}

const shopStores: ShopStores = {
  orderViews: { find: () => nothing(), ofCustomer: () => Promise.resolve([]) },
  accountViews: {
    find: () => nothing(),
    standings: (ids) =>
      Promise.resolve(ids.map((accountId) => ({ accountId, currency: 'EUR', status: 'open' }))),
    entries: () => Promise.resolve([]),
  },
  paymentViews: { find: () => nothing(), balance: () => nothing() },
  settlementViews: { find: () => nothing(), positions: () => Promise.resolve([]) },
  stockViews: { find: () => nothing() },
  couponViews: { find: () => nothing() },
};

const nothing = () => Promise.resolve(undefined);

/** A Temporal that takes everything and knows no run; `more` replaces some of it. */
export const aTemporal = (more: Partial<Temporal> = {}): Temporal => ({
  start: nothing,
  startBatch: nothing,
  cancel: nothing,
  eject: nothing,
  resolve: nothing,
  park: nothing,
  review: nothing,
  wasDecided: () => Promise.resolve(false),
  timeline: nothing,
  pendingCalls: () => Promise.resolve([]),
  closedSteps: nothing,
  check: nothing,
  ...more,
});

/** A Redis that is not there: limits are counted locally. */
function absentRedis(): Redis {
  const absent = () => Promise.reject(new Error('Redis is away.'));
  return { eval: absent, set: absent } as unknown as Redis; // Only these two are used.
}
