/** The steps of a switch of regions. Each brings about a state and verifies it. Order and reasons: docs/failover.md. */
import { ApplicationFailure } from '@temporalio/common';
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { partsOfStepKey, type Gid } from '../../../contracts/engine/ids';
import type {
  MeasuredLoss,
  RegionsActivities,
  RejoinRegion,
  SwitchRegions,
} from '../../../contracts/regions/regions';
import type { Keyed, SetActivity, Verb, Verdict } from '../../../contracts/engine/verdict';
import { withRedis } from '../../../runtime/redis';
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

/** Addresses of one region, from the hub. */
export interface RegionAccess {
  /** Address for the region's operator user, by the hub's own route. */
  readonly mysqlUrl: string;
  readonly redisUrl: string;
  /** `host:port` of its MySQL and Redis, to which the router leads clients. */
  readonly mysql: string;
  readonly redis: string;
  readonly brokers: readonly string[];
  /** Address of the process that can kill and start the region's servers. */
  readonly agent: string;
  /** Address from which the other region replicates it. */
  readonly source: ReplicationSource;
  readonly redisLink: { readonly host: string; readonly port: number };
}

export interface SwitchDependencies {
  readonly hub: HubStore;
  /** Address of the router's control. */
  readonly router: string;
  readonly regions: Readonly<Record<string, RegionAccess>>;
  /** Names of the databases with the epoch of a region. */
  readonly participants: readonly string[];
  /** A user of the application that may write a heartbeat. If its write is refused, writes of clients are refused. */
  readonly probe: FenceProbe;
  /** Number of the attempt of the activity. After repeated failures of a postcondition a person must decide. */
  readonly attempt: () => number;
  /** Here a drill may hold or end an attempt before it has any effect. */
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
  /** A step before the decision. If the switch is decided, the step was done before, and must not run again. */
  const acting = <Request extends SwitchRegions, Result>(
    work: (request: Request, gid: Gid) => Promise<Result>,
  ) =>
    made<Request, Result | null>('act', async (request, gid) => {
      const { decision, isHolder } = await hub.standingOf(gid);
      if (decision === 'happened') return null;
      if (decision === 'never' || !isHolder) throw new PostconditionFailed(notItsOwn(gid));
      return work(request, gid);
    });
  /** A step after the decision. After the end of the switch it changes nothing: the regions may have moved since. */
  const forward = <Request extends SwitchRegions, Result>(
    work: (request: Request, gid: Gid) => Promise<Result>,
  ) =>
    made<Request, Result | null>('act', async (request, gid) => {
      const { decision, isHolder } = await hub.standingOf(gid);
      if (decision !== 'happened')
        throw new PostconditionFailed(
          `${gid} has not advanced its epoch: no region may be promoted.`,
        );
      return isHolder ? work(request, gid) : null;
    });
  /** A step after the promotion. A server that has restarted since does not know its role, and takes no writes. */
  const promoted = <Request extends SwitchRegions, Result>(
    work: (request: Request, gid: Gid) => Promise<Result>,
  ) =>
    forward<Request, Result>(async (request, gid) => {
      const { mysqlUrl } = accessTo(request.to);
      if (await withRegion(mysqlUrl, queryMs, isReadOnly))
        await openRegion(mysqlUrl, request.to, gid, promoteMs);
      return work(request, gid);
    });
  /** An undo, only after the seal: a promotion is never taken back. A switch without the row has nothing to undo. */
  const undoing = (work: (request: SwitchRegions, gid: Gid) => Promise<void>) =>
    made<SwitchRegions, null>('undo', async (request, gid) => {
      const { decision, isHolder } = await hub.standingOf(gid);
      if (decision === 'happened')
        throw new PostconditionFailed(
          `${gid} has advanced its epoch: a promotion is not taken back.`,
        );
      if (!isHolder) return null;
      if (decision === undefined)
        throw new PostconditionFailed(`${gid} may advance its epoch yet: it was not sealed.`);
      await work(request, gid);
      return null;
    });
  /**
   * Runs a step of a rejoin only while its region is a standby: a late one must never stop or overwrite an active
   * region.
   */
  const rejoining = <Result>(work: (request: RejoinRegion) => Promise<Result>) =>
    made<RejoinRegion, Result | null>('act', async (request, gid) => {
      const { region, epoch, state } = await hub.read();
      if (region !== request.region && epoch === request.epoch && state !== 'failing-over')
        return work(request);
      // A delivery after the end of the rejoin changes nothing: the regions may have moved since.
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
      // The kernel may run this undo beside slower ones, and no other switch may begin before they have ended.
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
        epoch: epoch + 1, // The seal has advanced to this epoch: the router refuses a late order to close.
      });
    }),

    // Open connections get an error for their writes. A cut would leave their outcome unknown; openRoutes cuts them
    // later.
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
      if (await hub.advanceEpoch({ gid, from, to, epoch })) return null;
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
      // A standby may have to be rebuilt, too: no commit may wait for its acknowledgement meanwhile.
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
          if (!isGone(error)) throw error; // The server ends itself when the clone is complete, and is started again.
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
      if (await keepTogether(hub, mysqlUrl)) return null; // An earlier delivery has done it.
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
   * Takes a switch back: the region that stays active enters the epoch of the seal. If it was fenced, it may have no
   * standby that acknowledges. If not, its commits may wait for a standby that is gone.
   */
  async function enterAgain({ mysqlUrl }: RegionAccess, region: string, gid: Gid): Promise<void> {
    const isClosed = await withRegion(mysqlUrl, queryMs, isReadOnly);
    if (!isClosed && (await openRegion(mysqlUrl, region, gid, queryMs).then(isDone, isNotDone)))
      return;
    await hub.actsAlone(gid); // The row first: the region then takes writes without a standby that acknowledges them.
    await actAlone(hub, mysqlUrl);
    await openRegion(mysqlUrl, region, gid, promoteMs);
  }

  /** Changes a route only if it leads elsewhere: connections that are there already must not be cut. */
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

  /** GTIDs that the region has executed. Starts its server first: it may be dead, or have ended after a clone. */
  async function executedBy({ agent, mysqlUrl }: RegionAccess): Promise<string> {
    await askAgent(agent, { start: true }, startMs);
    const { executed } = await withRegion(mysqlUrl, queryMs, stateOf);
    return executed;
  }

  /** @returns GTIDs that the region has, and the active one has not. */
  async function errantOf(region: RegionAccess, { mysqlUrl }: RegionAccess): Promise<string> {
    return lackingIn(mysqlUrl, await executedBy(region));
  }

  /** Whether the region is a copy. An empty one is none: an interrupted clone leaves it empty. */
  async function isCopy(region: RegionAccess, { mysqlUrl }: RegionAccess): Promise<boolean> {
    const executed = await executedBy(region);
    return executed !== '' && (await lackingIn(mysqlUrl, executed)) === '';
  }

  async function measureLoss({ mysqlUrl }: RegionAccess, allowedMs: number) {
    const acknowledged = await hub.newestHeartbeat();
    const there = await withRegion(mysqlUrl, queryMs, (mysql) =>
      newestHeartbeat(mysql, probe.database),
    );
    const ms = Math.max(0, Math.ceil((acknowledged - there) / 1_000)); // The smallest difference is a loss.
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
    let events = await hub.republish(epoch); // Events of the hub went to the Kafka of the old region, too.
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

const startMs = 8_000; // It must fit into one attempt.
const cloneMs = 8_000;
const catchUpMs = 8_000;
const catchUpSeconds = 5; // With the steps before it, it must fit into `catchUpMs`.
const republishMs = 10_000;
async function newestHeartbeat(mysql: Connection, database: string): Promise<number> {
  const [rows] = await mysql.query<(RowDataPacket & { readonly at: string | null })[]>(
    `SELECT CAST(MAX(at_us) AS CHAR) AS at FROM \`${database}\`.heartbeat WHERE source = 'hub'`,
  );
  return Number(rows[0]?.at ?? 0);
}

/**
 * Throws: a standby may be behind for any time, but if replication has stopped, its data differ and a person must act.
 */
async function stillBehind(mysql: Connection): Promise<never> {
  const { replica } = await stateOf(mysql);
  if (replica && !replica.isApplying && replica.error !== '')
    throw new PostconditionFailed(`It cannot apply what it pulls: ${replica.error}`);
  throw new Error('It is still catching up.');
}

/** Key with the epoch in which this Redis became the primary and was emptied. */
const ledInKey = 'accord:led-in';

/**
 * Makes this Redis the primary, without locks and counters of the old one: a lock gives isolation only, and counters
 * are rebuilt from SQL. It is emptied once an epoch: a counter that restarts within an epoch would grant old tokens
 * again.
 */
async function leadAlone(url: string, epoch: number): Promise<void> {
  await withRedis(url, { connectMs: queryMs }, async (redis) => {
    await redis.replicaof('NO', 'ONE');
    await redis.config('SET', 'min-replicas-to-write', '0'); // Without a replica it would refuse writes otherwise.
    if ((await redis.get(ledInKey)) !== String(epoch))
      await redis.multi().flushall().set(ledInKey, epoch).exec();
    const role = await redis.role();
    if (role[0] !== 'master') throw new PostconditionFailed('Redis still follows.');
  });
}

async function followRedis(url: string, { host, port }: RegionAccess['redisLink']): Promise<void> {
  await withRedis(url, { connectMs: queryMs }, (redis) => redis.replicaof(host, port));
}

const isGone = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  'code' in error &&
  error.code === 'PROTOCOL_CONNECTION_LOST';

/**
 * The hub has refused before anything was done: there is nothing to undo, and a retry would not help. The undos of a
 * switch that never began would cut all connections, and open a region that another switch has fenced.
 */
class NothingBegun extends Error {
  override readonly name = 'NothingBegun';
}

const notItsOwn = (gid: Gid): string => `The hub's row is not of ${gid}.`;
const isDone = (): boolean => true;
const isNotDone = (): boolean => false;

/** Runs the requests of a set one by one, and answers each like a fenced one. */
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
