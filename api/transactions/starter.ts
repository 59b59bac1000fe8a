import { isBatchId } from '../../contracts/engine/batches';
import type { TransactionInput } from '../../contracts/engine/transaction';
import { inParallel } from '../../runtime/in-parallel';
import type { RunsStore } from '../stores/runs-store';
import type { SentStart } from '../stores/runs/sending';
import type { Temporal } from './temporal';

/** Workflows that one round starts, and how many of them, or of one set, at once: a round must end well within the deadline of one call each. */
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
  | 'dueOwners'
  | 'claimOwner'
  | 'backlog'
>;

/**
 * Brings accepted rows to Temporal: at once where the API accepts them, again and again where that was not confirmed.
 * A start goes out under the id of its owner, with all of the owner's rows, so sending it twice is harmless. Several API
 * processes share the owners by compare-and-set on the time of the last send.
 *
 * @param backlogMax due starts above which no new one is accepted.
 * @param onError is told of every round that failed.
 */
export function createStarter(
  {
    runs,
    temporal,
  }: { readonly runs: Starts; readonly temporal: Pick<Temporal, 'start' | 'startBatch'> },
  backlogMax: number,
  onError: (error: unknown) => void,
) {
  let pausedUntil = 0;
  let backlog = 0;
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> | undefined;
  let isStopped = false;

  /** Sends what was just accepted. `false` is no failure: a later round sends it again. */
  async function sendFirst(input: TransactionInput): Promise<boolean> {
    if (isPaused() || !(await runs.claimSending(input.gid, null))) return false;
    try {
      await startUnder(input.gid, [input]);
    } catch {
      return false; // It may have arrived, so its mark stays: only a row that was never sent can be cancelled by its row alone.
    }
    await runs.confirmStarts([input.gid]);
    return true;
  }

  /** Sends again what is due under this workflow id. */
  async function sendOwner(owner: string): Promise<void> {
    const claimed = await runs.claimOwner(owner);
    if (!claimed) return;
    const { inputs, sentAt } = claimed;
    const gids = inputs.map(({ gid }) => gid);
    try {
      await startUnder(owner, inputs);
    } catch {
      // Another process may reach Temporal where this one cannot: the rows stay due. Marks of a first send stay.
      if (sentAt) await runs.giveBackSending(gids, sentAt);
      return;
    }
    await runs.confirmStarts(gids);
  }

  /** @throws whatever Temporal did not answer with. Nobody asks it for a moment then. */
  async function startUnder(owner: string, inputs: readonly TransactionInput[]): Promise<void> {
    try {
      if (isBatchId(owner)) await temporal.startBatch(owner, inputs);
      else await Promise.all(inputs.map((input) => temporal.start(input))); // It is one, with this gid.
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
    const sends = await inParallel([...byOwner(starts)], sendsAtOnce, async ([owner, own]) => {
      if (isPaused() || performance.now() > beginBy) return void unsent.push(...own);
      const inputs = own.map(({ input }) => input);
      await startUnder(owner, inputs);
      return inputs.map(({ gid }) => gid);
    });
    const started = sends.flatMap((sent) => (sent.status === 'fulfilled' && sent.value) || []);
    if (started.length > 0) await runs.confirmStarts(started);
    if (unsent.length > 0) await runs.giveBackUnsent(unsent);
  }

  async function sendAgain([probe, ...rest]: readonly string[]): Promise<void> {
    if (probe === undefined) return;
    // The first goes alone: while Temporal is away, one owner a round is marked as sent, not all of them.
    await sendOwner(probe);
    for (let at = 0; pausedUntil === 0 && at < rest.length; at += sendsAtOnce)
      await Promise.all(rest.slice(at, at + sendsAtOnce).map(sendOwner));
  }

  async function runRound(): Promise<void> {
    try {
      await runs.confirmEnded(roundMax);
      await sendAgain(await runs.dueOwners(roundMax));
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
     * Sends rows that were just accepted as sent, each owner once, and confirms them together. A send that failed may
     * have arrived, so its rows keep the mark. What was not sent at all is given back, unmarked.
     *
     * @param starts all rows of each owner.
     * @param since when their acceptance began, on the clock of `performance.now`.
     */
    sendAccepted,
    /** Claims and sends a row that was just accepted as not sent, unless Temporal has just failed to answer. */
    sendFirst,
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

function byOwner(starts: readonly SentStart[]): ReadonlyMap<string, readonly SentStart[]> {
  const owners = new Map<string, SentStart[]>();
  for (const start of starts) owners.set(start.owner, [...(owners.get(start.owner) ?? []), start]);
  return owners;
}
