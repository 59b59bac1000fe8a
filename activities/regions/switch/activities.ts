/** The steps of a switch of regions: each makes something so, and looks whether it is. Order and reasons: docs/failover.md. */
import { ApplicationFailure } from '@temporalio/common';
import { Redis } from 'ioredis';
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { partsOfStepKey, type Gid } from '../../../contracts/engine/ids';
import type {
  MeasuredLoss,
  RegionsActivities,
  RejoinRegion,
  SwitchRegions,
} from '../../../contracts/participants/regions';
import type { Keyed, SetActivity, Verb, Verdict } from '../../../contracts/engine/verdict';
import { actAlone, actTogether, keepTogether } from '../acknowledging';
import { askAgent } from './agent-client';
import { fence, type FenceProbe } from './fencing';
import type { HubStore } from '../hub-row';
import {
  cloneFrom,
  drain,
  follow,
  isReadOnly,
  missingFrom,
  PostconditionFailed,
  stateOf,
  untilExecuted,
  withRegion,
  type ReplicationSource,
} from './mysql-region';
import { open } from './opening';
import { republishing } from './republishing';
import { askRouter, RouterEpochOver } from '../router-client';

/** How the hub reaches one region. */
export interface RegionAccess {
  /** Address for the region's operator user, by the hub's own route. */
  readonly mysqlUrl: string;
  readonly redisUrl: string;
  /** `host:port` of its MySQL and Redis, as the router leads clients there. */
  readonly mysql: string;
  readonly redis: string;
  readonly brokers: readonly string[];
  /** Address of the process that can kill and start the region's servers. */
  readonly agent: string;
  /** Where the other region pulls from it. */
  readonly source: ReplicationSource;
  readonly redisLink: { readonly host: string; readonly port: number };
}

export interface SwitchDependencies {
  readonly hub: HubStore;
  /** The router's control. */
  readonly router: string;
  readonly regions: Readonly<Record<string, RegionAccess>>;
  /** Names of the databases that bear a region's epoch. */
  readonly participants: readonly string[];
  /** Names an application's user that may write a heartbeat: what it is refused, clients are refused. */
  readonly probe: FenceProbe;
  /** Which attempt of the activity this is: a postcondition that fails again and again is a person's. */
  readonly attempt: () => number;
  /** A drill may hold or end an attempt before it has done anything. */
  readonly entering: () => Promise<void>;
}

const postconditionTries = 3;
const promoteMs = 5_000;
const queryMs = 2_000;

export function createRegionsActivities(dependencies: SwitchDependencies): RegionsActivities {
  const { hub, router, regions, participants, probe } = dependencies;
  const accessTo = (region: string): RegionAccess => {
    const access = regions[region];
    if (!access) throw new PostconditionFailed(`There is no region ${region}.`);
    return access;
  };
  const made = <Request extends Keyed, Result>(
    verb: Verb,
    work: (request: Request, gid: Gid) => Promise<Result>,
  ) => verified(verb, work, dependencies);
  /** Before the decision: decided, it was done on the way there, and is not done again to a region that others use. */
  const acting = <Request extends SwitchRegions, Result>(
    work: (request: Request, gid: Gid) => Promise<Result>,
  ) =>
    made<Request, Result | null>('act', async (request, gid) => {
      const { decision, isHolder } = await hub.standingOf(gid);
      if (decision === 'happened') return null;
      if (decision === 'never' || !isHolder) throw new PostconditionFailed(notItsOwn(gid));
      return work(request, gid);
    });
  /** Behind the decision: what has become of the regions since its end is not of this one. */
  const forward = <Request extends SwitchRegions, Result>(
    work: (request: Request, gid: Gid) => Promise<Result>,
  ) =>
    made<Request, Result | null>('act', async (request, gid) => {
      const { decision, isHolder } = await hub.standingOf(gid);
      if (decision !== 'happened')
        throw new PostconditionFailed(`${gid} has not burnt its epoch: nobody may be promoted.`);
      return isHolder ? work(request, gid) : null;
    });
  /** Behind the promotion: a server that was stopped and started since does not know its role, and takes no writes. */
  const promoted = <Request extends SwitchRegions, Result>(
    work: (request: Request, gid: Gid) => Promise<Result>,
  ) =>
    forward<Request, Result>(async (request, gid) => {
      const { mysqlUrl } = accessTo(request.to);
      if (await withRegion(mysqlUrl, queryMs, isReadOnly))
        await openRegion(mysqlUrl, request.to, gid, promoteMs);
      return work(request, gid);
    });
  /** Only behind its seal: a region that was promoted is never taken back. What holds the row no more left nothing. */
  const undoing = (work: (request: SwitchRegions, gid: Gid) => Promise<void>) =>
    made<SwitchRegions, null>('undo', async (request, gid) => {
      const { decision, isHolder } = await hub.standingOf(gid);
      if (decision === 'happened')
        throw new PostconditionFailed(`${gid} has burnt its epoch: a promotion is not taken back.`);
      if (!isHolder) return null;
      if (decision === undefined)
        throw new PostconditionFailed(`${gid} may burn its epoch yet: it was not sealed.`);
      await work(request, gid);
      return null;
    });
  /** Runs a step of a rejoin only while its region is a standby: a late one must never stop or overwrite an active region. */
  const rejoining = <Result>(work: (request: RejoinRegion) => Promise<Result>) =>
    made<RejoinRegion, Result | null>('act', async (request, gid) => {
      const { region, epoch, state } = await hub.read();
      if (region !== request.region && epoch === request.epoch && state !== 'failing-over')
        return work(request);
      // Told again when it has ended: what has become of the regions since is not of this one.
      if (await hub.hasEnded(gid)) return null;
      throw new PostconditionFailed(`The regions have moved since epoch ${request.epoch}.`);
    });

  return {
    beginSwitch: made('act', async ({ mayBeginAlone, ...move }, gid) => {
      if (await hub.begin({ ...move, gid }, mayBeginAlone)) return null;
      const row = await hub.read();
      throw new NothingBegun(
        row.epoch !== move.epoch
          ? `The cluster is in epoch ${row.epoch}, not in ${move.epoch} any more.`
          : row.state === 'failing-over'
            ? `${row.holder ?? 'Somebody'} is switching regions already.`
            : row.region !== move.from
              ? `Region ${row.region} is the active one, not ${move.from}.`
              : row.sync
                ? 'It was taken back before it began.'
                : 'The standby does not acknowledge: a person has to say that it may begin all the same.',
      );
    }),
    sealSwitch: made('seal', async ({ from, to, epoch }, gid) => ({
      happened: await hub.sealSwitch({ gid, from, to, epoch }),
    })),
    abortSwitch: undoing(async ({ from }, gid) => {
      // The kernel does not wait for ever for the undos before this one, and nobody else may begin in their midst.
      if (await withRegion(accessTo(from).mysqlUrl, queryMs, isReadOnly))
        throw new Error(`Region ${from} does not take writes again yet.`);
      await hub.abort(gid, from);
    }),

    closeRoutes: acting(async ({ kind, epoch }) => {
      await askRouter(router, {
        routes: ['mysql', 'redis'],
        state: 'closed',
        cut: kind === 'unplanned',
        epoch,
      });
      return null;
    }),
    reopenRoutes: undoing(async ({ epoch }) => {
      await askRouter(router, {
        routes: ['mysql', 'redis'],
        state: 'open',
        cut: true,
        epoch: epoch + 1, // Burnt by the seal: an order to close that comes late is refused.
      });
    }),

    // Who is there still is told that it is refused. Cut now, he would not know: openRoutes cuts him.
    fenceRegion: acting(({ from, kind }) => fence(accessTo(from), kind === 'planned', probe)),
    unfenceRegion: undoing(async ({ from }, gid) => {
      const region = accessTo(from);
      await askAgent(region.agent, { start: true }, startMs);
      await enterAgain(region, from, gid);
    }),

    drainRegion: acting<SwitchRegions & { readonly seconds: number }, null>(
      async ({ to, seconds }) => {
        const within = seconds * 1_000 + queryMs;
        await withRegion(accessTo(to).mysqlUrl, within, (mysql) => drain(mysql, seconds));
        return null;
      },
    ),
    resumeReplication: undoing(async ({ from, to }) => {
      await withRegion(accessTo(to).mysqlUrl, promoteMs, (mysql) =>
        follow(mysql, accessTo(from).source),
      );
    }),

    measureLoss: acting<SwitchRegions & { readonly allowedMs: number }, MeasuredLoss>(
      ({ to, allowedMs }) => measureLoss(accessTo(to), allowedMs),
    ),

    advanceEpoch: acting(async ({ from, to, epoch }, gid) => {
      if (await hub.burn({ gid, from, to, epoch })) return null;
      throw new PostconditionFailed(`Epoch ${epoch + 1} is another one's.`);
    }),

    promoteRegion: forward(async ({ to }, gid) => {
      await openRegion(accessTo(to).mysqlUrl, to, gid, promoteMs);
      return null;
    }),

    promoteRedis: forward(async ({ to, epoch }) => {
      await leadAlone(accessTo(to).redisUrl, epoch + 1);
      return null;
    }),
    republish: promoted(({ to, epoch }) => republish(accessTo(to), epoch)),
    openRoutes: promoted(async ({ to, epoch }) => {
      const { mysql, redis } = accessTo(to);
      await leadTo('mysql', mysql, epoch + 1);
      await leadTo('redis', redis, epoch + 1);
      return null;
    }),
    endSwitch: promoted(async ({ from, to, kind }, gid) => {
      await hub.end(gid, { [from]: kind === 'planned' ? 'STANDBY' : 'FAILED', [to]: 'ACTIVE' });
      return null;
    }),

    sealRejoin: made('seal', async (_request, gid) => ({ happened: await hub.sealRejoin(gid) })),
    beginRejoin: made('act', async ({ region, active, epoch }, gid) => {
      if (!(await hub.rejoin({ gid, region, epoch })))
        throw new NothingBegun(
          `Region ${region} is active, somebody switches regions, this has ended, or epoch ${epoch} is over.`,
        );
      // One that stands by may have to be rebuilt, too: nobody must wait for its acknowledgements meanwhile.
      await actAlone(hub, accessTo(active).mysqlUrl);
      return null;
    }),
    exportErrant: rejoining(async ({ region, active }) => {
      const old = accessTo(region);
      const gtids = await errantOf(old, accessTo(active));
      if (gtids === '') return { gtids, file: null };
      const file = await askAgent(old.agent, { export: gtids }, startMs);
      return { gtids, file: file ?? null };
    }),
    rebuildRegion: rejoining(async ({ region, active }) => {
      const [old, source] = [accessTo(region), accessTo(active)];
      if (await isCopy(old, source)) return null;
      await withRegion(old.mysqlUrl, cloneMs, (mysql) => cloneFrom(mysql, source.source)).catch(
        (error: unknown) => {
          if (!isGone(error)) throw error; // It ends itself when the clone is whole, and is started again.
        },
      );
      if (await isCopy(old, source)) return null;
      throw new PostconditionFailed(`Region ${region} is no copy of ${active}.`);
    }),
    followActive: rejoining(async ({ region, active }) => {
      const [standby, source] = [accessTo(region), accessTo(active)];
      const { executed } = await withRegion(source.mysqlUrl, queryMs, stateOf);
      await withRegion(standby.mysqlUrl, catchUpMs, async (mysql) => {
        const { replica } = await stateOf(mysql);
        if (!(replica?.isPulling && replica.isApplying)) await follow(mysql, source.source);
        await untilExecuted(mysql, executed, catchUpSeconds).catch(() => stillBehind(mysql));
      });
      return null;
    }),
    acknowledge: rejoining(async ({ region, active, epoch }) => {
      const { mysqlUrl, redisLink } = accessTo(active);
      if (await keepTogether(hub, mysqlUrl)) return null; // Done before.
      await followRedis(accessTo(region).redisUrl, redisLink);
      await actTogether(hub, mysqlUrl, async () => {
        if (!(await hub.standsBy(region, epoch)))
          throw new PostconditionFailed(`Epoch ${epoch} is over, or somebody switches regions.`);
      });
      return null;
    }),
  };

  function openRegion(mysqlUrl: string, region: string, gid: Gid, ms: number): Promise<void> {
    return withRegion(mysqlUrl, ms, (mysql) => open(hub, mysql, { gid, region }, participants));
  }

  /**
   * A switch is taken back: the region that stays active enters the epoch that the seal has burnt. Fenced, nobody may be
   * there who acknowledges; not fenced, its commits may wait for somebody who is gone.
   */
  async function enterAgain({ mysqlUrl }: RegionAccess, region: string, gid: Gid): Promise<void> {
    const isClosed = await withRegion(mysqlUrl, queryMs, isReadOnly);
    if (!isClosed && (await openRegion(mysqlUrl, region, gid, queryMs).then(isDone, isNotDone)))
      return;
    await hub.actsAlone(gid); // First: it takes writes without anybody who acknowledges them.
    await actAlone(hub, mysqlUrl);
    await openRegion(mysqlUrl, region, gid, promoteMs);
  }

  /** Looks first: who has come there along this route since must not be cut. */
  async function leadTo(route: 'mysql' | 'redis', target: string, epoch: number): Promise<void> {
    const routes = await askRouter(router, { show: true });
    const isLed = routes.some(
      (each) =>
        each.name === route &&
        each.state === 'open' &&
        each.target === target &&
        each.epoch === epoch,
    );
    if (!isLed)
      await askRouter(router, { routes: [route], target, state: 'open', cut: true, epoch });
  }

  /** Its server may be dead, or may have ended after a clone. */
  async function executedBy({ agent, mysqlUrl }: RegionAccess): Promise<string> {
    await askAgent(agent, { start: true }, startMs);
    const { executed } = await withRegion(mysqlUrl, queryMs, stateOf);
    return executed;
  }

  /** @returns what it has and the active one has not. */
  async function errantOf(region: RegionAccess, { mysqlUrl }: RegionAccess): Promise<string> {
    return lackingIn(mysqlUrl, await executedBy(region));
  }

  /** One that has nothing at all is none: a clone that was broken off has left it so. */
  async function isCopy(region: RegionAccess, { mysqlUrl }: RegionAccess): Promise<boolean> {
    const executed = await executedBy(region);
    return executed !== '' && (await lackingIn(mysqlUrl, executed)) === '';
  }

  async function measureLoss({ mysqlUrl }: RegionAccess, allowedMs: number) {
    const acknowledged = await hub.newestHeartbeat();
    const there = await withRegion(mysqlUrl, queryMs, (mysql) =>
      newestHeartbeat(mysql, probe.database),
    );
    const ms = Math.max(0, Math.ceil((acknowledged - there) / 1_000)); // The least is a loss.
    if (ms > allowedMs)
      throw new PostconditionFailed(
        `Writes of ${ms} ms would be lost, ${allowedMs} ms are allowed.`,
      );
    return { ms };
  }

  async function republish(
    { mysqlUrl }: RegionAccess,
    epoch: number,
  ): Promise<{ readonly events: number }> {
    let events = await hub.republish(epoch); // Its events went to the Kafka of the old region, too.
    for (const database of participants) {
      const consumers = database.endsWith('orders') ? database : null;
      const { sql, values } = republishing(`\`${database}\`.outbox`, consumers, epoch);
      const [result] = await withRegion(mysqlUrl, republishMs, (mysql) =>
        mysql.query(sql, [...values]),
      );
      events += 'affectedRows' in result ? result.affectedRows : 0;
    }
    return { events };
  }
}

const lackingIn = (mysqlUrl: string, executed: string): Promise<string> =>
  withRegion(mysqlUrl, queryMs, (mysql) => missingFrom(mysql, executed));

const startMs = 8_000; // Within one attempt.
const cloneMs = 8_000;
const catchUpMs = 8_000;
const catchUpSeconds = 5; // With what comes before it, within `catchUpMs`.
const republishMs = 10_000;
async function newestHeartbeat(mysql: Connection, database: string): Promise<number> {
  const [rows] = await mysql.query<(RowDataPacket & { readonly at: string | null })[]>(
    `SELECT CAST(MAX(at_us) AS CHAR) AS at FROM \`${database}\`.heartbeat WHERE source = 'hub'`,
  );
  return Number(rows[0]?.at ?? 0);
}

/** It may take as long as it takes, but not where it has stopped: then what it has differs, and a person must know. */
async function stillBehind(mysql: Connection): Promise<never> {
  const { replica } = await stateOf(mysql);
  if (replica && !replica.isApplying && replica.error !== '')
    throw new PostconditionFailed(`It cannot apply what it pulls: ${replica.error}`);
  throw new Error('It is still catching up.');
}

/** What its Redis has led in since it was emptied. */
const ledInKey = 'accord:led-in';

/**
 * Leads, without the locks and counters of the old one: a lock is isolation, never safety, and a counter is SQL's. Emptied
 * once an epoch: a counter of this epoch that began anew would grant tokens that it has granted before.
 */
async function leadAlone(url: string, epoch: number): Promise<void> {
  const redis = new Redis(url, { connectTimeout: queryMs, maxRetriesPerRequest: 0 });
  redis.on('error', () => undefined);
  try {
    await redis.replicaof('NO', 'ONE');
    await redis.config('SET', 'min-replicas-to-write', '0'); // A lone survivor would refuse.
    if ((await redis.get(ledInKey)) !== String(epoch))
      await redis.multi().flushall().set(ledInKey, epoch).exec();
    const role = await redis.role();
    if (role[0] !== 'master') throw new PostconditionFailed('Redis still follows.');
  } finally {
    redis.disconnect();
  }
}

async function followRedis(url: string, { host, port }: RegionAccess['redisLink']): Promise<void> {
  const redis = new Redis(url, { connectTimeout: queryMs, maxRetriesPerRequest: 0 });
  redis.on('error', () => undefined);
  try {
    await redis.replicaof(host, port);
  } finally {
    redis.disconnect();
  }
}

const isGone = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  'code' in error &&
  error.code === 'PROTOCOL_CONNECTION_LOST';

/**
 * The hub has said no before anything was done: there is nothing to take back, and looking again would not help. The undos
 * of a switch that never began would cut everybody, and open a region that another one has fenced.
 */
class NothingBegun extends Error {
  override readonly name = 'NothingBegun';
}

const notItsOwn = (gid: Gid): string => `The hub's row is not of ${gid}.`;
const isDone = (): boolean => true;
const isNotDone = (): boolean => false;

/** One request of a set at a time, answered as a fenced one is. */
const verified =
  <Request extends Keyed, Result>(
    verb: Verb,
    work: (request: Request, gid: Gid) => Promise<Result>,
    { attempt, entering }: Pick<SwitchDependencies, 'attempt' | 'entering'>,
  ): SetActivity<Request, Result> =>
  async (requests) => {
    await entering();
    return Promise.all(
      requests.map(async (request): Promise<Verdict<Result>> => {
        const { gid = '', branch = '' } = partsOfStepKey(request.key) ?? {};
        const name = { gid, branch, verb, epoch: 0 } as const;
        const failed = { ...name, ok: false } as const;
        try {
          return { ...name, fence: 'first', ok: true, result: await work(request, gid) };
        } catch (error) {
          if (error instanceof NothingBegun) {
            const detail = error.message;
            return { ...failed, fence: 'refused', failure: 'ParticipantRefused', detail };
          }
          if (!isPostcondition(error)) throw error;
          const detail = error.message;
          if (attempt() < postconditionTries)
            throw ApplicationFailure.retryable(detail, 'PostconditionFailed');
          return { ...failed, fence: 'broken', failure: 'PostconditionFailed', detail };
        }
      }),
    );
  };

const isPostcondition = (error: unknown): error is Error =>
  error instanceof PostconditionFailed || error instanceof RouterEpochOver;
