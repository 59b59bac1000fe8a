/** What the workers count themselves, kept across their deaths: each is asked again and again, and its last word stands. */
import type { Application } from '../environment/application';
import { pause } from '../../runtime/waiting';

export interface Counters {
  /** Deliveries by verdict of the fence, and by activity. */
  readonly verdicts: ReadonlyMap<string, number>;
  readonly verdictsOf: (fence: string) => number;
  /** Activities that met this verdict. */
  readonly activitiesWith: (fence: string) => readonly string[];
  readonly sqlRetries: number;
  readonly lockFallbacks: number;
  /** Failed attempts of steps that were stuck for longer than the alarm. */
  readonly stuck: number;
}

export interface CounterWatch {
  read(): Counters;
  stop(): Promise<void>;
}

const everyMs = 400;
const sample = /^(\w+)\{([^}]*)\} (\d+(?:\.\d+)?)$/gm;

/** @param names of the workers' processes. */
export function watchCounters(application: Application, names: readonly string[]): CounterWatch {
  /** The last value, by `pid series`. */
  const last = new Map<string, number>();
  let isStopping = false;

  async function ask(name: string): Promise<void> {
    const pid = application.process(name)?.pid;
    const url = application.metricsUrl(name);
    if (pid === undefined || url === undefined) return;
    const answer = await fetch(url, {
      signal: AbortSignal.timeout(1_000),
    });
    for (const [, series, labels, value] of (await answer.text()).matchAll(sample)) {
      last.set(`${pid} ${series ?? ''}{${labels ?? ''}}`, Number(value));
    }
  }

  async function watch(): Promise<void> {
    while (!isStopping) {
      await Promise.allSettled(names.map(ask));
      await pause(everyMs);
    }
  }
  const watching = watch();

  return {
    read: () => countersOf(last),
    async stop() {
      isStopping = true;
      await watching;
    },
  };
}

function countersOf(last: ReadonlyMap<string, number>): Counters {
  const verdicts = new Map<string, number>();
  const sums = new Map<string, number>();
  for (const [key, value] of last) {
    const [, name = '', labels = ''] = /^\d+ (\w+)\{([^}]*)\}$/.exec(key) ?? [];
    sums.set(name, (sums.get(name) ?? 0) + value);
    if (name !== 'accord_fence_verdicts_total') continue;
    const activity = /activity="([^"]*)"/.exec(labels)?.[1] ?? '';
    const fence = /fence="([^"]*)"/.exec(labels)?.[1] ?? '';
    const verdict = `${activity} ${fence}`;
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + value);
  }
  const withFence = (fence: string) =>
    [...verdicts].filter(([verdict, count]) => verdict.endsWith(` ${fence}`) && count > 0);
  return {
    verdicts,
    verdictsOf: (fence) => withFence(fence).reduce((sum, [, count]) => sum + count, 0),
    activitiesWith: (fence) => withFence(fence).map(([verdict]) => verdict.split(' ')[0] ?? ''),
    sqlRetries: sums.get('accord_sql_retries_total') ?? 0,
    lockFallbacks: sums.get('accord_lock_fallback_total') ?? 0,
    stuck: sums.get('accord_stuck_attempts_total') ?? 0,
  };
}
