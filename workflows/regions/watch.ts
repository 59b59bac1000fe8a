import { condition, continueAsNew, proxyActivities, workflowInfo } from '@temporalio/workflow';

import { failback } from '../../contracts/regions/failback';
import { failover } from '../../contracts/regions/failover';
import type { OperatorFlow } from '../../contracts/engine/ids';
import {
  isWell,
  vantages,
  type AcceptedSwitch,
  type Observation,
  type Vantage,
  type WatchActivities,
  type WatchDecision,
  type WatchInput,
  type WatchReport,
} from '../../contracts/regions/watch';
import { observeOptions, watchOptions } from '../kernel/activity-options';
import { unlessFailed } from '../jobs/jobs';
import { startTransaction } from '../kernel/starting';

type Registered = {
  readonly [Name in keyof WatchActivities as `watch.${Name}`]: WatchActivities[Name];
};

const probes = proxyActivities<Pick<Registered, 'watch.observe'>>(observeOptions);
const actions = proxyActivities<Omit<Registered, 'watch.observe'>>(watchOptions);

/** State of a watch that continues in a new workflow run. */
export interface WatchProgress {
  readonly observations: Readonly<Partial<Record<Vantage, Observation>>>;
  /** The last page or approval; `null`: none, or its cause is over. */
  readonly told: string | null;
}

/** Decisions of one workflow run, about a thousand events. A new worker has to replay them before it moves a region. */
const decisionsOfRun = 100;
/** Delay after a decision that could not be made or carried out. */
const againMs = 2_000;

/**
 * A watch, no transaction, and without an end. It observes from all vantage points at once, and carries out decisions.
 * Every action is a compare-and-set on the hub's row, for the observed epoch. So two watches, or a late one, do no
 * harm. It ends if its cluster has only one region.
 */
export async function regionWatch(
  input: WatchInput,
  from: WatchProgress = { observations: {}, told: null },
): Promise<WatchReport> {
  const { cluster } = input;
  const observations = { ...from.observations };
  let told = from.told;
  let news = 0;
  let isOver = false;

  async function lookFrom(vantage: Vantage): Promise<void> {
    while (!isOver) {
      const since = observations[vantage] ?? null;
      const observation = await probes['watch.observe']({ cluster, vantage, since });
      if (observation) observations[vantage] = observation;
      else isOver = true;
      news += 1;
    }
  }

  async function decideUntilOver(): Promise<void> {
    let decisions = 0;
    let known = 0;
    let waitMs = againMs;
    for (;;) {
      await condition(() => news > known || isOver, waitMs, {
        summary: 'until the next decision',
      });
      if (isOver) return;
      if (decisions === decisionsOfRun || workflowInfo().continueAsNewSuggested)
        await continueAsNew<typeof regionWatch>(input, { observations, told });
      decisions += 1;
      known = news;
      const decided = await unlessFailed(() => actions['watch.decide']({ cluster, observations }));
      waitMs = decided?.againMs ?? againMs;
      if (decided && !(await unlessFailed(() => act(decided.decision)))) waitMs = againMs;
    }
  }

  /** @returns true. A failure gives `undefined`. */
  async function act(decision: WatchDecision): Promise<true> {
    switch (decision.kind) {
      case 'nothing':
        if (Object.values(observations).every(isWell)) told = null;
        return true;
      case 'page':
        await once(decision.code, () => actions['watch.page']({ cluster, ...decision }));
        return true;
      case 'ask':
        await once(`ask ${decision.since}`, () =>
          actions['watch.askFailover']({ cluster, ...decision }),
        );
        return true;
      case 'degrade':
        await actions['watch.degrade']({ cluster, ...decision });
        return true;
      case 'failover':
        await start('failover', await actions['watch.requestFailover']({ cluster, ...decision }));
        return true;
      case 'resync':
        await start('failback', await actions['watch.requestResync']({ cluster, ...decision }));
        return true;
    }
  }

  /** Reports a lasting condition only once. */
  async function once(what: string, tell: () => Promise<unknown>): Promise<void> {
    if (told === what) return;
    await tell();
    told = what;
  }

  await Promise.race([Promise.all(vantages.map(lookFrom)), decideUntilOver()]);
  return { ended: 'nothing_to_watch' };
}

const workflows = { failover, failback } as const;

async function start(flow: OperatorFlow, accepted: AcceptedSwitch<object> | null): Promise<void> {
  if (accepted) await startTransaction(workflows[flow].workflow, accepted.gid, accepted.input);
}
