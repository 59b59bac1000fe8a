import type { Gid, Tenant } from '../contracts/ids';
import {
  isEnding,
  type Decision,
  type Evidence,
  type ReviewDecision,
} from '../contracts/transaction';
import { Problem } from './errors';
import { plannedStepOf } from './plan';
import type { RunRow, RunsStore } from './stores/runs-store';
import type { Temporal } from './temporal';

/** Who steers which transaction. */
export interface Steer {
  readonly tenant: Tenant;
  readonly gid: Gid;
  readonly subject: string;
}

/** An operator's decision. `version`: the row as the operator saw it; a decision on anything else is refused. */
export interface Decide extends Steer {
  readonly step: string | undefined;
  readonly decision: Decision;
  readonly version: number | undefined;
  readonly evidence: Evidence | null;
}

type Rows = Pick<RunsStore, 'find' | 'cancelUnsent'>;
type Updates = Pick<Temporal, 'cancel' | 'resolve' | 'park' | 'review' | 'timeline'>;

/**
 * What callers and operators may ask of a transaction, by the state of its row (docs/architecture.md, steering). The
 * row answers what it can; the run itself has the last word, in the validators of its updates.
 *
 * Every method throws Problem `not_found`, `dependency_unavailable`, `outcome_unknown`, or the refusal of its state.
 */
export function createSteering({
  runs,
  temporal,
}: {
  readonly runs: Rows;
  readonly temporal: Updates;
}) {
  async function find({ tenant, gid }: Steer): Promise<RunRow> {
    const run = await runs.find(tenant, gid);
    if (!run) throw new Problem('not_found');
    return run;
  }

  async function cancelUnsent(run: RunRow, { subject }: Steer): Promise<boolean> {
    const endedAt = new Date();
    const reason = {
      code: 'cancelled',
      type: 'Cancelled',
      step: null,
      detail: `${subject} cancelled it before it was started.`,
    };
    return runs.cancelUnsent(run.gid, run.tenant, endedAt, {
      gid: run.gid,
      flow: run.flow,
      state: 'compensated',
      outcome: 'compensated',
      endedAt: endedAt.toISOString(),
      reason,
      steps: [],
    });
  }

  /** Undo before the pivot. @returns the row afterwards: `compensated` where nothing had run. */
  async function cancel(steer: Steer, note: string | null): Promise<RunRow> {
    const run = await find(steer);
    if (run.state === 'completed') throw new Problem('already_ended', { gid: run.gid });
    if (run.state === 'compensated' || run.state === 'undoing') return run;
    if (run.state === 'accepted') {
      const isCancelled = run.startSentAt === null && (await cancelUnsent(run, steer));
      if (!isCancelled) throw new Problem('ask_again', { gid: run.gid, retryAfterSeconds: 1 });
      return find(steer);
    }
    if (run.pivotPassed) throw new Problem('past_pivot', { gid: run.gid });
    if (run.state === 'parked') return run; // On the undo way already.
    if (run.lane === 'batch')
      throw new Problem('ask_again', { gid: run.gid, retryAfterSeconds: 1 });
    await temporal.cancel(run.gid, { actor: { subject: steer.subject }, note }, 'cancel');
    return find(steer);
  }

  /** Decides a parked step: `retry`, or with evidence `done` and `skip`. */
  async function decide(steer: Decide): Promise<RunRow> {
    const run = await find(steer);
    if (isEnding(run.state)) throw new Problem('already_ended', { gid: run.gid });
    expectVersion(run, steer.version);
    if (run.state !== 'parked') throw new Problem('not_parked', { gid: run.gid });
    const step = steer.step ?? run.step;
    if (step === null) throw new Problem('not_parked', { gid: run.gid });
    const { decision, evidence, subject } = steer;
    if (decision === 'skip' && movesMoney(run, step)) {
      throw new Problem('second_person_required', { gid: run.gid });
    }
    await temporal.resolve(
      run.gid,
      { step, decision, evidence, actor: { subject } },
      // Names the decision on this parking: repeated it gets its first answer, after another parking it is a new one.
      `resolve/${run.version}/${step}/${decision}`,
    );
    return find(steer);
  }

  /** Parks a stuck step, so that it can be decided by hand. */
  async function park(steer: Steer, step: string | undefined, note: string): Promise<RunRow> {
    const run = await find(steer);
    if (isEnding(run.state)) throw new Problem('already_ended', { gid: run.gid });
    const isMoving = run.state === 'running' || run.state === 'undoing';
    // The row names the step of its last move; the run knows the one that it is at.
    const atNow = isMoving && step === undefined ? await temporal.timeline(run.gid) : undefined;
    const stuckAt = step ?? atNow?.step ?? run.step;
    if (!isMoving || !stuckAt) throw new Problem('state_changed', { gid: run.gid });
    await temporal.park(
      run.gid,
      { step: stuckAt, note, actor: { subject: steer.subject } },
      `park/${run.version}/${stuckAt}`,
    );
    return find(steer);
  }

  /**
   * Decides a review.
   *
   * @param key names the decision: repeated with it, it gets its first answer as long as the run is open.
   */
  async function review(
    steer: Steer,
    { decision, note }: Pick<ReviewDecision, 'decision' | 'note'>,
    key: string,
  ): Promise<RunRow> {
    const run = await find(steer);
    if (run.state !== 'running') throw new Problem('state_changed', { gid: run.gid });
    const actor = { subject: steer.subject };
    await temporal.review(run.gid, { decision, note, actor }, `review/${decision}/${key}`);
    return find(steer);
  }

  return { cancel, decide, park, review };
}
export type Steering = ReturnType<typeof createSteering>;

function expectVersion(run: RunRow, version: number | undefined): void {
  if (version === undefined || version === run.version) return;
  throw new Problem('state_changed', {
    gid: run.gid,
    detail: `The version is ${run.version} now.`,
  });
}

/** A step that no plan names is judged by what is at risk. */
function movesMoney(run: RunRow, step: string): boolean {
  const planned = plannedStepOf(run.flow, step);
  return planned ? planned.movesMoney : run.atRisk.some(({ kind }) => kind !== 'stock');
}
