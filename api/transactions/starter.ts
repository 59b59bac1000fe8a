import type { TransactionInput } from '../../contracts/engine/transaction';
import { inParallel } from '../../runtime/in-parallel';
import type { RunsStore } from '../stores/runs-store';
import type { SentStart, UnconfirmedStart } from '../stores/runs/sending';
import type { Temporal } from './temporal';

/** Starts of one round, and how many of them, or of one set, at once: a round must end well within the deadline of one call each. */
const roundMax = 200;
const sendsAtOnce = 20;
const roundEveryMs = 1_000;
/** Between rounds while Temporal does not answer: each round asks it once. */
const probeEveryMs = 2_000;
/** After a failed send, the API accepts without trying for this long: a caller would only wait for the timeout. */
const pauseMs = 1_000;
/**
 * First sends of a set begin within this time after its acceptance began. With the time limit of a call it ends when the
 * rows are due again, so a row is not sent by two processes.
 */
const beginWithinMs = 1_500;

type Starts = Pick<
  RunsStore,
  | 'claimSending'
  | 'giveBackSending'
  | 'giveBackUnsent'
  | 'confirmStarts'
  | 'confirmEnded'
  | 'unconfirmedStarts'
  | 'backlog'
>;

/**
 * Brings accepted rows to Temporal: at once where the API accepts them, again and again where that was not confirmed.
 * A start goes out under its gid, so sending it twice is harmless; several API processes share the rows by
 * compare-and-set on the time of the last send.
 *
 * @param backlogMax due starts above which no new one is accepted.
 * @param onError is told of every round that failed.
 */
export function createStarter(
  { runs, temporal }: { readonly runs: Starts; readonly temporal: Pick<Temporal, 'start'> },
  backlogMax: number,
  onError: (error: unknown) => void,
) {
  let pausedUntil = 0;
  let backlog = 0;
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> | undefined;
  let isStopped = false;

  /** @returns whether the run exists in Temporal now. `false` is no failure: a later round sends it again. */
  async function send(input: TransactionInput, sentAt: Date | null): Promise<boolean> {
    if (!(await runs.claimSending(input.gid, sentAt))) return false;
    try {
      await startRun(input);
    } catch {
      // Another process may reach Temporal where this one cannot: the row stays due. A first send may have arrived, so
      // its mark stays: only a row that was never sent can still be cancelled by its row alone.
      if (sentAt) await runs.giveBackSending(input.gid, sentAt);
      return false;
    }
    await runs.confirmStarts([input.gid]);
    return true;
  }

  /** @throws whatever Temporal did not answer with. Nobody asks it for a moment then. */
  async function startRun(input: TransactionInput): Promise<void> {
    try {
      await temporal.start(input);
    } catch (error) {
      pausedUntil = performance.now() + pauseMs;
      throw error;
    }
    pausedUntil = 0;
  }

  const isPaused = (): boolean => performance.now() < pausedUntil;

  async function sendAccepted(starts: readonly SentStart[], since: number): Promise<void> {
    const beginBy = since + beginWithinMs;
    const unsent: SentStart[] = [];
    const sends = await inParallel(starts, sendsAtOnce, async (start) => {
      if (isPaused() || performance.now() > beginBy) return void unsent.push(start);
      await startRun(start.input);
      return start.input.gid;
    });
    const started = sends.flatMap((sent) => (sent.status === 'fulfilled' && sent.value) || []);
    if (started.length > 0) await runs.confirmStarts(started);
    if (unsent.length > 0) await runs.giveBackUnsent(unsent);
  }

  async function sendAgain(starts: readonly UnconfirmedStart[]): Promise<void> {
    const [probe, ...rest] = starts;
    if (!probe) return;
    // The first goes alone: while Temporal is away, one row a round is marked as sent, not all of them.
    await send(probe.input, probe.sentAt);
    for (let at = 0; pausedUntil === 0 && at < rest.length; at += sendsAtOnce) {
      await Promise.all(
        rest.slice(at, at + sendsAtOnce).map((start) => send(start.input, start.sentAt)),
      );
    }
  }

  async function runRound(): Promise<void> {
    try {
      await runs.confirmEnded(roundMax);
      await sendAgain(await runs.unconfirmedStarts(roundMax));
      backlog = await runs.backlog(backlogMax + 1);
    } catch (error) {
      onError(error);
    }
    if (isStopped) return;
    const nextMs = pausedUntil === 0 ? roundEveryMs : probeEveryMs;
    timer = setTimeout(() => {
      round = runRound();
    }, nextMs);
  }

  return {
    /** Whether Temporal has just failed to answer. What is accepted now is not sent at once. */
    isPaused,
    /**
     * Sends rows that were just accepted as sent, each once, and confirms them together. A send that failed may have
     * arrived, so its row keeps the mark. What was not sent at all is given back, unmarked.
     *
     * @param since when their acceptance began, on the clock of `performance.now`.
     */
    sendAccepted,
    /** Claims and sends a row that was just accepted as not sent, unless Temporal has just failed to answer. */
    async sendFirst(input: TransactionInput): Promise<boolean> {
      if (isPaused()) return false;
      return send(input, null);
    },
    /** Begins the rounds, once. */
    begin(): void {
      round ??= runRound();
    },
    /** Ends after the round that is under way. */
    async stop(): Promise<void> {
      isStopped = true;
      clearTimeout(timer);
      await round;
    },
    /** Whether the backlog was full in the last round. */
    isBacklogFull: (): boolean => backlog > backlogMax,
    backlog: (): number => backlog,
  };
}
export type Starter = ReturnType<typeof createStarter>;
