/** One load on the running application, over HTTP, as its callers see it. */
import type { Connection } from 'mysql2/promise';

import { openConnection } from '../../../runtime/mysql/door';
import type { LaneMode } from '../../../api/transactions/lanes';
import type { Variables } from '../../environment/application';
import { authorizationOf } from '../../environment/credentials';
import { interruption } from '../../environment/interruption';
import type { LocalApplication } from '../../environment/local-application';
import { unlessSet } from '../../stack/config';
import type { Profile } from '../../stack/profile';
import type { Counter } from '../hot-account';
import { createHttpClient } from '../http-client';
import { byGroup, cpuMsPerTransaction, meterOf, type Meter } from '../meter';
import { createCaller, type Caller } from './caller';
import { prove } from './counters';
import { figuresOf, momentsOf, type LoadFigures, type Moment, type Span } from './figures';
import { startOf, type Choice } from './flows';
import { runClosedLoop, runOpenLoop, type Sample } from './generator';
import { growthNow, type Growth } from './growth';
import { startKilling } from './killer';
import { intendedTimes, secondsOf, type Stage } from './schedule';
import { openWorld } from './world';

/** Open loop: at these times, whatever comes back. Closed loop: so many in flight, until one of both bounds is met. */
export type Arrivals =
  | { readonly kind: 'open'; readonly stages: readonly Stage[] }
  | {
      readonly kind: 'closed';
      readonly inFlight: number;
      readonly transactions: number;
      readonly seconds: number;
    };

export interface Load {
  readonly choice: Choice;
  readonly arrivals: Arrivals;
  /** At its beginning nothing is measured: plans, caches and compilers are cold. */
  readonly warmUpSeconds: number;
  /** Between two kills of a worker; `undefined`: none is killed. */
  readonly killEverySeconds: number | undefined;
  /** Callers ask for the acceptance alone, and for the ending afterwards. */
  readonly answersAtOnce: boolean;
}

export interface LoadMeasurement {
  readonly figures: LoadFigures;
  readonly measuredSeconds: number;
  /** Seconds of CPU in the measured time, by group of processes. */
  readonly cpuSeconds: Readonly<Record<string, number>>;
  readonly cpuMsPerTransaction: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly counters: readonly Counter[];
  readonly violations: readonly object[];
  readonly moments: readonly Moment[];
  readonly growth: readonly Growth[];
}

/**
 * One generator plays every caller, so the limits of one caller are not what is measured. Nor is the rule that a payer
 * who pays often is looked at by a person.
 */
export const variablesOfLoad = (lane: LaneMode): Variables => ({
  LANES: lane,
  ...unlessSet('STARTS_PER_SECOND', '1000000'),
  ...unlessSet('READS_PER_SECOND', '1000000'),
  ...unlessSet('WAITERS_MAX', '100000'),
  ...unlessSet('RISK_POLICY', '{"velocity":{"score":0}}'),
});

const growthLooks = 60;
const meterEveryMs = 1_000;
const sayEveryMs = 10_000;

export async function measureLoad(
  local: LocalApplication,
  profile: Profile,
  load: Load,
  say: (line: string) => void,
): Promise<LoadMeasurement> {
  const { urls, stack, application } = local;
  const tenant = `load${Date.now().toString(36)}`; // A tenant of this load only.
  const interrupted = interruption();
  interrupted.catch(() => undefined); // Whoever waits for it at that time is told.
  say('Opening accounts and stock …');
  await Promise.race([openWorld(urls, tenant), interrupted]);
  const scopes = ['tx:start', 'tx:read'] as const;
  const authorization = await authorizationOf(urls.API_DATABASE_URL, {
    ...{ tenant, owner: 'bench', scopes },
  });
  const http = createHttpClient();
  const admin = await openConnection({ url: stack.mysql.adminUrl, supportBigNumbers: true });
  try {
    const caller = createCaller(http, {
      ...{ apiUrl: application.apiUrl, authorization, tenant },
      answersAtOnce: load.answersAtOnce,
    });
    say(sentenceOf(load));
    const sent = await send({ local, profile, load, caller, admin, say, interrupted });
    const span = spanOf(load, sent.lastMs);
    const figures = figuresOf(sent.samples, span);
    say('Reading every row, and checking the books …');
    const proof = await Promise.race([prove(local, admin, tenant, sent.samples), interrupted]);
    return {
      ...{ figures, kills: sent.kills, growth: sent.growth, ...proof },
      moments: momentsOf(sent.samples),
      measuredSeconds: (span.toMs - span.fromMs) / 1_000,
      cpuSeconds: Object.fromEntries(byGroup(sent.used)),
      cpuMsPerTransaction: cpuMsPerTransaction(sent.used, figures.ended),
    };
  } finally {
    http.close();
    await admin.end();
  }
}

interface Sending {
  readonly local: LocalApplication;
  readonly profile: Profile;
  readonly load: Load;
  readonly caller: Caller;
  readonly admin: Connection;
  readonly say: (line: string) => void;
  readonly interrupted: Promise<never>;
}

/** Everything that is sent, to its ending, while it is watched and workers are killed. No worker stays dead. */
async function send({ local, profile, load, caller, admin, say, interrupted }: Sending) {
  const { application, processes } = local;
  const { choice, arrivals, warmUpSeconds } = load;
  const samples: Sample[] = [];
  const sender = {
    play: (at: number) => caller.play(startOf(choice, at)),
    mustBeRefused: (at: number) => startOf(choice, at).mustBeRefused,
    note: (sample: Sample) => void samples.push(sample),
    isStopped: () => false,
  };
  const offeredMs = offeredMsOf(load);
  const meter = meterOf(profile, processes.keys());
  const began = performance.now();
  const watch = startWatching({
    ...{ meter, began, warmUpMs: warmUpSeconds * 1_000, offeredMs, samples, say },
    look: (atSeconds) => growthNow(admin, profile, processes.keys(), atSeconds),
  });
  const killing = startKilling(application, processes, load.killEverySeconds, meter, say);
  try {
    const running =
      arrivals.kind === 'open'
        ? runOpenLoop(intendedTimes(withWarmUp(arrivals.stages, warmUpSeconds)), began, sender)
        : runClosedLoop({ ...arrivals, milliseconds: offeredMs }, began, sender);
    await Promise.race([running, interrupted]);
  } finally {
    await killing.stop();
  }
  const lastMs = performance.now() - began;
  return { samples, kills: killing.kills(), lastMs, ...(await watch.stop()) };
}

/** With a number of transactions the load is over when the last one has ended; with a time, when it is up. */
function spanOf(load: Load, lastMs: number): Span {
  const offeredMs = offeredMsOf(load);
  const span = {
    fromMs: load.warmUpSeconds * 1_000,
    toMs: load.arrivals.kind === 'open' ? offeredMs : Math.min(offeredMs, lastMs),
  };
  if (span.toMs > span.fromMs) return span;
  throw new Error('Everything ended within the warm-up: nothing is measured.');
}

/** When no more is sent, warm-up included. */
const offeredMsOf = ({ arrivals, warmUpSeconds }: Load): number =>
  1_000 * (warmUpSeconds + boundOf(arrivals));

/** Seconds after which no more is sent. */
const boundOf = (arrivals: Arrivals): number =>
  arrivals.kind === 'open' ? secondsOf(arrivals.stages) : arrivals.seconds;

/** At the rate that the load begins with. */
const withWarmUp = (stages: readonly Stage[], seconds: number): readonly Stage[] => {
  const rate = stages[0]?.from ?? 0;
  return seconds === 0 ? stages : [{ seconds, from: rate, to: rate }, ...stages];
};

function sentenceOf({ choice, arrivals, warmUpSeconds, killEverySeconds }: Load): string {
  const what =
    arrivals.kind === 'open'
      ? `${choice.flow}, open loop, ${secondsOf(arrivals.stages)} s`
      : `${choice.flow}, ${arrivals.inFlight} in flight`;
  const kills =
    killEverySeconds === undefined ? '' : `, a worker killed every ${killEverySeconds} s`;
  return `${what}, after ${warmUpSeconds} s of warm-up${kills} …`;
}

interface Watched {
  readonly meter: Meter;
  readonly began: number;
  readonly warmUpMs: number;
  readonly offeredMs: number;
  readonly samples: readonly Sample[];
  readonly look: (atSeconds: number) => Promise<Growth>;
  readonly say: (line: string) => void;
}

/** Looks at CPU every second, at memory and tables so often that a chart has its points, and tells how far it is. */
function startWatching({ meter, began, warmUpMs, offeredMs, samples, look, say }: Watched) {
  const growth: Growth[] = [];
  const growthEveryMs = Math.max(
    2_000,
    Number.isFinite(offeredMs) ? offeredMs / growthLooks : 10_000,
  );
  let atWarmUp: ReadonlyMap<string, number> | undefined;
  let atEnd: ReadonlyMap<string, number> | undefined;
  let saidAt = 0;
  let said = 0;
  let lookedAt = -Infinity;
  let looking: Promise<void> = Promise.resolve();

  function tick(): void {
    const ms = performance.now() - began;
    meter.look();
    if (ms >= warmUpMs) atWarmUp ??= meter.used();
    if (ms >= offeredMs) atEnd ??= meter.used();
    if (ms - lookedAt >= growthEveryMs) {
      lookedAt = ms;
      looking = looking
        .then(async () => void growth.push(await look(Math.round(ms / 1_000))))
        .catch((error: unknown) => say(`Growth could not be read: ${String(error)}`));
    }
    if (ms - saidAt >= sayEveryMs) {
      const perSecond = ((samples.length - said) * 1_000) / (ms - saidAt);
      say(`  ${Math.round(ms / 1_000)} s: ${samples.length} ended, ${perSecond.toFixed(1)}/s`);
      saidAt = ms;
      said = samples.length;
    }
  }
  tick();
  const timer = setInterval(tick, meterEveryMs);
  return {
    async stop() {
      clearInterval(timer);
      tick();
      await looking;
      const before = atWarmUp ?? new Map<string, number>();
      const used = atEnd ?? meter.used();
      return {
        growth,
        used: new Map([...used].map(([name, all]) => [name, all - (before.get(name) ?? 0)])),
      };
    },
  };
}
