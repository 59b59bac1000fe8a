import type { Gid } from '../../contracts/engine/ids';
import { isEnding } from '../../contracts/engine/transaction';
import type { Until } from '../http/preference';
import type { RunGlance } from '../stores/runs/rows';

/** Where wake-ups come from. Best effort: what is lost here, the poll finds. */
export interface WakeUps {
  /** Calls `listener` with the gids of rows that moved together. */
  listen(listener: (gids: readonly Gid[]) => void): void;
}

type Glance = (gids: readonly Gid[]) => Promise<readonly RunGlance[]>;

/** Most transactions end within this time: for so long after a caller began to wait, the poll is quick. */
const quickForMs = 500;
const quickPollMs = 50;
const slowPollMs = 250;
/** For so long after a wake-up they are trusted to come, and the poll is slow. */
const trustMs = 1_000;
/** A look that fails is not repeated faster than this: the database has trouble enough. */
const failedPollMs = 1_000;

interface Waiter {
  readonly gid: Gid;
  readonly until: Until;
  readonly since: number;
  readonly settle: () => void;
}

/** There is nothing more to wait for: it has ended, waits for an operator, or has told what was asked. */
export const isSettled = ({ state, early }: Omit<RunGlance, 'gid'>, until: Until): boolean =>
  isEnding(state) || state === 'parked' || (until === 'decided' && early !== null);

/**
 * Callers that wait for an ending, an early status, or for being parked. All of a process share one look at their rows:
 * at once when a wake-up names one of them, else by a short poll. No call waits in Temporal or holds a connection.
 */
export function createWaiting(glance: Glance, wakeUps: WakeUps, waitersMax: number) {
  const waiters = new Map<Gid, Set<Waiter>>();
  let count = 0;
  const woken = new Set<Gid>();
  let timer: NodeJS.Timeout | undefined;
  let dueAt = Infinity;
  /** When all rows are looked at. */
  let pollAt = Infinity;
  let wokenAt = -Infinity;
  let isLooking = false;
  let isStopped = false;

  function lookIn(ms: number): void {
    const at = performance.now() + ms;
    if (count === 0 || at >= dueAt) return;
    clearTimeout(timer);
    dueAt = at;
    timer = setTimeout(() => void look(), ms);
  }

  async function look(): Promise<void> {
    dueAt = Infinity; // First: a time that has passed would keep every later look from being planned.
    if (isLooking) return; // The look that is under way plans the next one.
    isLooking = true;
    const isPoll = performance.now() >= pollAt;
    const gids = isPoll ? [...waiters.keys()] : [...woken].filter((gid) => waiters.has(gid));
    woken.clear();
    try {
      for (const glanced of gids.length > 0 ? await glance(gids) : [])
        release(glanced.gid, ({ until }) => isSettled(glanced, until));
      if (isPoll) pollAt = performance.now() + pollMs();
    } catch {
      pollAt = performance.now() + failedPollMs;
    }
    isLooking = false;
    lookIn(woken.size > 0 ? 0 : Math.max(0, pollAt - performance.now()));
  }

  const pollMs = (): number => {
    const isTrusted = performance.now() - wokenAt < trustMs;
    return !isTrusted && [...waiters.values()].some(isFresh) ? quickPollMs : slowPollMs;
  };

  function release(gid: Gid, isDone: (waiter: Waiter) => boolean): void {
    for (const waiter of [...(waiters.get(gid) ?? [])]) if (isDone(waiter)) waiter.settle();
  }

  const isFresh = (set: ReadonlySet<Waiter>): boolean =>
    [...set].some(({ since }) => performance.now() - since < quickForMs);

  function forget(waiter: Waiter): void {
    const set = waiters.get(waiter.gid);
    if (!set?.delete(waiter)) return;
    count -= 1;
    if (set.size === 0) waiters.delete(waiter.gid);
    if (count > 0) return;
    clearTimeout(timer);
    [dueAt, pollAt] = [Infinity, Infinity];
    woken.clear();
  }

  wakeUps.listen((gids) => {
    wokenAt = performance.now();
    for (const gid of gids) if (waiters.has(gid)) woken.add(gid);
    if (woken.size > 0) lookIn(0);
  });

  return {
    /**
     * Resolves when the row is settled, when `ms` are over, when the caller has gone, or at once when `waitersMax` callers
     * wait already. What became of the row, the caller reads itself.
     */
    wait(gid: Gid, until: Until, ms: number, signal: AbortSignal): Promise<void> {
      if (isStopped || count >= waitersMax || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const settle = (): void => {
          clearTimeout(expiry);
          signal.removeEventListener('abort', settle);
          forget(waiter);
          resolve();
        };
        const expiry = setTimeout(settle, ms);
        signal.addEventListener('abort', settle);
        const waiter: Waiter = { gid, until, since: performance.now(), settle };
        waiters.set(gid, (waiters.get(gid) ?? new Set()).add(waiter));
        count += 1;
        pollAt = Math.min(pollAt, performance.now() + pollMs());
        lookIn(pollAt - performance.now());
      });
    },
    /** Ends every wait, and lets none begin. */
    stop(): void {
      isStopped = true;
      for (const gid of [...waiters.keys()]) release(gid, () => true);
    },
    waiting: (): number => count,
  };
}
export type Waiting = ReturnType<typeof createWaiting>;
