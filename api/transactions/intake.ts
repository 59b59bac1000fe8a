/**
 * Natural batching of starts. While nothing is under way a start is accepted at once, alone. While something is, starts
 * gather for a moment, and while all slots are busy until one is free. It takes what is there: a set is as large as the
 * load makes it.
 */
import { batchMax } from '../../contracts/engine/batches';
import type { Gid } from '../../contracts/engine/ids';
import type { RunsStore } from '../stores/runs-store';
import type { AcceptedClaim, Claim, NewRun, Outcomes } from '../stores/runs/acceptance';
import { createFairQueue } from './fair-queue';
import type { Lanes } from './lanes';
import type { Starter } from './starter';

/**
 * Sets under way at once: one each for MySQL, Temporal and this process's own thread. Fewer make larger sets, more make
 * more commits. Measured on a busy machine, two, three and four were not told apart (docs/performance.md).
 */
const slots = 3;
/**
 * A slot of a flow that goes in batches is held until a transaction of each workflow of its set has ended, so that the
 * next set is as large as one set takes time. Some wait for a person or for a participant: they do not hold a slot for longer.
 */
const holdMs = 500;
/**
 * For so long the starts of a flow that goes in batches gather while something is under way: a lone one among them would
 * cost as much as a hundred that come together.
 */
const gatherMs = 20;
/** Told that the start is committed, and not sent yet. If it rejects, the start is left for the starter. */
type OnCommitted = () => Promise<void>;

interface Waiting {
  readonly tenant: string;
  readonly bytes: number;
  readonly run: NewRun;
  readonly onCommitted: OnCommitted;
  readonly resolve: (claim: Claim) => void;
  readonly reject: (error: unknown) => void;
}

interface Accepted {
  readonly waiting: Waiting;
  readonly claim: AcceptedClaim;
}

interface IntakeDependencies {
  readonly runs: Pick<RunsStore, 'acceptSet'>;
  readonly starter: Pick<Starter, 'isPaused' | 'sendAccepted'>;
  /** Resolves when this transaction has ended or waits for a person, or when the time is over. */
  readonly settled: (gid: Gid, withinMs: number) => Promise<void>;
  readonly lanes: Lanes;
}

/**
 * It bounds the sets, so that one workflow may carry a set and its locks are held for some tens of milliseconds. Its
 * caller bounds what is in hand.
 */
export function createIntake({ runs, starter, settled, lanes }: IntakeDependencies) {
  const queue = createFairQueue<Waiting>();
  let free = slots;
  let gatherTimer: NodeJS.Timeout | undefined;

  function serve(): void {
    clearTimeout(gatherTimer);
    gatherTimer = undefined;
    while (free > 0) {
      const set = queue.take(batchMax);
      if (set.length === 0) return;
      free -= 1;
      void serveSet(set).finally(() => {
        free += 1;
        if (free === slots || gatherTimer === undefined) serve();
      });
    }
  }

  const gathers = ({ lane, input }: NewRun): boolean =>
    lane !== 'single' && lanes.gathers(input.flow);

  /** A timer that has begun is not put off by later starts. */
  function serveSoon(run: NewRun): void {
    if (free === slots || !gathers(run)) serve();
    else if (free > 0) gatherTimer ??= setTimeout(serve, gatherMs);
  }

  async function serveSet(set: readonly Waiting[]): Promise<void> {
    const since = performance.now();
    const isSent = !starter.isPaused();
    try {
      const outcomes = await runs.acceptSet(
        set.map(({ run }) => run),
        {
          isSent,
          batches: lanes.batchesOf(set.flatMap(({ run }) => (gathers(run) ? run.input.flow : []))),
        },
      );
      const gathering = await send(acceptedOf(set, outcomes), since);
      await Promise.all(gathering.map((gid) => settled(gid, holdMs)));
    } catch (error) {
      for (const { reject } of set) reject(error); // Who is answered already does not hear it.
    }
  }

  /**
   * Accepted is accepted: whatever becomes of the first send, the starter repeats it.
   * @returns one transaction of each workflow that was started, of flows that go in batches where they gather.
   */
  async function send(accepted: readonly Accepted[], since: number): Promise<readonly string[]> {
    const ready = await readyOf(accepted);
    const sent = wholeOwners(accepted, ready).flatMap(({ waiting: { run }, claim }) => {
      const { owner, sentAt } = claim;
      return sentAt ? { owner, input: run.input, sentAt, gathers: gathers(run) } : [];
    });
    if (sent.length > 0) await starter.sendAccepted(sent, since).catch(() => undefined);
    for (const { waiting, claim } of ready) waiting.resolve(claim);
    const gathering = sent.filter((start) => start.gathers);
    return [...new Map(gathering.map(({ owner, input }) => [owner, input.gid])).values()];
  }

  return {
    /**
     * Accepts a start of a customer's flow and sends it.
     * @returns its claim: if it is accepted, after its first send.
     */
    accept: (run: NewRun, onCommitted: OnCommitted): Promise<Claim> =>
      new Promise((resolve, reject) => {
        const { tenant } = run.input;
        const bytes = run.inputJson.length;
        queue.add({ tenant, bytes, run, onCommitted, resolve, reject });
        serveSoon(run);
      }),
  };
}

export type Intake = ReturnType<typeof createIntake>;

/** Answers those that are not to be sent, and returns the others. */
function acceptedOf(set: readonly Waiting[], outcomes: Outcomes): readonly Accepted[] {
  return outcomes.flatMap((outcome, index) => {
    const waiting = set[index];
    if (!waiting) return [];
    if (outcome.status === 'fulfilled' && outcome.value.kind === 'accepted')
      return { waiting, claim: outcome.value };
    if (outcome.status === 'fulfilled') waiting.resolve(outcome.value);
    else waiting.reject(outcome.reason);
    return [];
  });
}

async function readyOf(accepted: readonly Accepted[]): Promise<readonly Accepted[]> {
  const told = await Promise.allSettled(accepted.map(({ waiting }) => waiting.onCommitted()));
  return accepted.filter(({ waiting }, index) => {
    const outcome = told[index];
    if (outcome?.status === 'rejected') waiting.reject(outcome.reason);
    return outcome?.status === 'fulfilled';
  });
}

/** A batch is sent with all of its rows or not at all: rows that come later under its id would be lost. */
function wholeOwners(
  accepted: readonly Accepted[],
  ready: readonly Accepted[],
): readonly Accepted[] {
  const left = accepted.filter((one) => !ready.includes(one));
  const cutOwners = new Set(left.map(({ claim }) => claim.owner));
  return ready.filter(({ claim }) => !cutOwners.has(claim.owner));
}
