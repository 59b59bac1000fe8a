import type { Observation, Vantage, WatchActivities } from '../../../contracts/regions/watch';
import { watchTimes } from '../../../contracts/regions/watch';
import { actAlone } from '../acknowledging';
import type { RegionAccess } from '../switch/activities';
import { probeAlong } from '../switch/agent-probe';
import type { HubStore } from '../hub-row';
import { createObserver, type Place } from './observer';
import { alongHub, heartbeat, lookAtStandby } from './probe';
import {
  levelOfActive,
  levelOfStandby,
  type ProbeResult,
  type Probed,
  type Subject,
} from './observation';
import type { SwitchRequests } from '../switch/requests';
import { decideOn, targetOf } from './decision';
import type { WatchEvent, WatchStore } from './store';

export interface WatchDependencies {
  readonly cluster: string;
  readonly hub: Pick<HubStore, 'degrade' | 'read'>;
  readonly store: WatchStore;
  readonly requests: SwitchRequests;
  readonly regions: Readonly<Record<string, RegionAccess>>;
  /** Address for the user that may write heartbeats and do nothing else, in whichever region it reaches. */
  readonly watchUrl: string;
  /** Clock of the hub, in milliseconds since 1970. One worker observes, and another one decides. */
  readonly now: () => number;
  /** `false`: the watch observes, and takes no action. */
  readonly acts: boolean;
  /** Id of the delivery of an activity: the same for every attempt. */
  readonly delivery: () => string;
  /** Aborted when this process is stopping, or when the attempt was abandoned. */
  readonly signal: () => AbortSignal;
  /** Logs and counts the event. */
  readonly onEvent: (event: WatchEvent) => void;
}

/** Register them as `watch.<name>`. */
export function createWatchActivities(dependencies: WatchDependencies): WatchActivities {
  const { cluster, hub, store, requests, regions, watchUrl, acts, now } = dependencies;
  const database = new URL(watchUrl).pathname.slice(1);

  async function place(): Promise<Place | null> {
    const placed = await store.placed();
    if (!placed) return null;
    const { epoch, region: active, policy } = placed;
    return { subject: { epoch, active, standby: targetOf(placed) }, policy };
  }

  function accessTo(region: string): RegionAccess {
    const access = regions[region];
    if (!access) throw new Error(`There is no region ${region}.`);
    return access;
  }

  async function look(vantage: Vantage, { active, standby }: Subject): Promise<ProbeResult> {
    const began = now();
    const withinMs = watchTimes.probeWithin;
    const [probed, looked] = await Promise.all([
      vantage === 'hub'
        ? heartbeat(alongHub(watchUrl, accessTo(active)), 'watch-hub', withinMs)
        : alongLink(active, standby),
      vantage === 'hub' && standby !== null
        ? lookAtStandby(accessTo(standby).mysqlUrl, database, { withinMs, now })
        : null,
    ]);
    return { began, at: now(), active: probed, standby: looked };
  }

  /** Probes the active region from the standby, or from any other region if there is no standby. */
  async function alongLink(active: string, standby: string | null): Promise<Probed | null> {
    const from = standby ?? Object.keys(regions).find((region) => region !== active);
    if (from === undefined) return null;
    const { host, port } = accessTo(active).source;
    const probe = { host, port, withinMs: watchTimes.probeWithin };
    return probeAlong(accessTo(from).agent, { probe });
  }

  const tell = async (
    vantage: Vantage,
    observation: Observation,
    { active: probed, standby: looked }: ProbeResult,
    { policy }: Place,
  ): Promise<void> => {
    await store.tell({
      ...{ region: observation.active, vantage, level: levelOfActive(observation, probed, policy) },
      ...{ latencyMs: probed?.writes ? probed.ms : null, lagMs: null },
      error: probed ? probed.error : 'The agent does not answer.',
    });
    if (!looked || observation.standby === null) return;
    await store.tell({
      ...{
        region: observation.standby,
        vantage,
        level: levelOfStandby(observation, looked, policy),
      },
      ...{ latencyMs: looked.reads ? looked.ms : null, lagMs: looked.lagMs, error: looked.error },
    });
  };

  const note = async (event: WatchEvent): Promise<void> => {
    if (await store.note(event)) dependencies.onEvent(event);
  };

  const observe = createObserver({ place, look, tell, now });

  return {
    observe: (request) => observe(request, dependencies.signal()),

    async decide({ observations }) {
      const standing = acts ? await store.standing() : undefined;
      return standing
        ? decideOn(observations, standing, now())
        : { decision: { kind: 'nothing' }, againMs: watchTimes.observe };
    },

    async page({ code, detail }) {
      await note({ id: `page ${dependencies.delivery()}`, kind: 'page', code, detail });
      return null;
    },

    async degrade({ epoch, detail }) {
      if ((await hub.degrade(epoch)) === 'lost') return false;
      const { region, sequence } = await hub.read();
      // Only after the row: from now on a switch could lose acknowledged commits, so it needs a person's approval.
      await actAlone(hub, accessTo(region).mysqlUrl);
      const id = `degrade ${cluster} ${epoch} ${sequence}`;
      await note({ id, kind: 'degrade', code: 'degraded', detail });
      return true;
    },

    async requestFailover(wanted) {
      const { policy } = (await store.placed()) ?? {};
      const seconds = policy?.dataSyncTimeoutSeconds ?? 0;
      const accepted = policy ? await requests.failover(wanted, seconds) : null;
      if (accepted) await noteSwitch('failover', accepted.gid, wanted.reason);
      return accepted;
    },

    async askFailover(wanted) {
      await requests.ask(wanted);
      const id = `ask ${cluster} ${wanted.epoch} ${wanted.sequence} ${wanted.since}`;
      await note({ id, kind: 'ask', code: 'approval_wanted', detail: wanted.reason });
      return null;
    },

    async requestResync(wanted) {
      const accepted = await requests.resync(wanted);
      if (accepted) await noteSwitch('resync', accepted.gid, `Region ${wanted.region} is back.`);
      return accepted;
    },
  };

  function noteSwitch(kind: 'failover' | 'resync', gid: string, detail: string): Promise<void> {
    return note({ id: `${kind} ${gid}`, kind, code: gid, detail });
  }
}
