import type { Gid, Tenant } from '../../contracts/engine/ids';
import {
  isEnding,
  whyNotOffered,
  type Decision,
  type Evidence,
  type ReviewDecision,
} from '../../contracts/engine/transaction';
import type { Now } from '../../runtime/server-clock';
import type { ActionOf } from '../approvals/actions';
import type { Approved } from '../approvals/approvals';
import { Problem } from '../http/errors';
import { isAnotherPerson, whyNotAnother, type People } from '../http/people';
import type { WantSecondPerson } from '../approvals/second-person';
import type { ApprovalRow } from '../stores/approvals-store';
import type { RunsStore } from '../stores/runs-store';
import type { RunRow } from '../stores/runs/rows';
import { approvalUpdateId, type Temporal } from './temporal';
import { ruleOfDecision, type Thresholds } from '../approvals/two-persons';

/** Who steers which transaction. */
export interface Steer {
  readonly tenant: Tenant;
  readonly gid: Gid;
  readonly subject: string;
  /** All the people who may stand behind the subject's credential. */
  readonly people: People;
}

/** An operator's decision. `version`: the row as the operator saw it; a decision on anything else is refused. */
export interface Decide extends Steer {
  readonly step: string | undefined;
  readonly decision: Decision;
  readonly version: number | undefined;
  readonly evidence: Evidence | null;
}

/** What became of a decision: the run has taken it, or it waits for a second person. */
export type Decided =
  | { readonly kind: 'taken'; readonly run: RunRow }
  | { readonly kind: 'waits'; readonly approval: ApprovalRow };

type Rows = Pick<RunsStore, 'find' | 'cancelUnsent'>;
type Updates = Pick<
  Temporal,
  'cancel' | 'resolve' | 'wasDecided' | 'park' | 'review' | 'timeline' | 'eject'
>;

/**
 * What callers and operators may ask of a transaction, by the state of its row (docs/architecture.md, steering). The
 * row answers what it can; the run itself has the last word, in the validators of its updates.
 *
 * Every method throws Problem `not_found`, `dependency_unavailable`, `outcome_unknown`, or the refusal of its state.
 */
export function createSteering({
  runs,
  temporal,
  thresholds,
  now,
}: {
  readonly runs: Rows;
  readonly temporal: Updates;
  readonly thresholds: Thresholds;
  readonly now: Now;
}) {
  async function find({ tenant, gid }: Pick<Steer, 'tenant' | 'gid'>): Promise<RunRow> {
    const run = await runs.find(tenant, gid);
    if (!run) throw new Problem('not_found');
    return run;
  }

  async function cancelUnsent(run: RunRow, { subject }: Steer): Promise<boolean> {
    const endedAt = new Date(now());
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

  /**
   * Makes the transaction leave its batch: only a workflow under the own gid takes updates.
   * @returns the row as it is then. It may still be in its batch, and it may have ended there.
   */
  async function leaveBatch(run: RunRow, steer: Steer): Promise<RunRow> {
    await temporal.eject(run.owner, { gid: run.gid, actor: { subject: steer.subject } });
    return find(steer);
  }

  /** Undo before the pivot. @returns the row afterwards: `compensated` where nothing had run. */
  async function cancel(steer: Steer, note: string | null): Promise<RunRow> {
    const found = await find(steer);
    if (found.state === 'accepted') {
      const isCancelled = found.startSentAt === null && (await cancelUnsent(found, steer));
      if (!isCancelled) throw askAgain(found);
      return find(steer);
    }
    if (isBeingUndone(found)) return found;
    const run = found.lane === 'batch' ? await leaveBatch(found, steer) : found;
    if (isBeingUndone(run)) return run;
    demandOwnWorkflow(run);
    await temporal.cancel(run.gid, { actor: { subject: steer.subject }, note }, 'cancel');
    return find(steer);
  }

  /** Decides a parked step: `retry`, or with evidence `done` and `skip`. Where one person is not enough, asks by `want`. */
  async function decide(steer: Decide, want: WantSecondPerson): Promise<Decided> {
    const run = await find(steer);
    if (isEnding(run.state)) throw new Problem('already_ended', { gid: run.gid });
    expectVersion(run, steer.version);
    if (run.state !== 'parked') throw new Problem('not_parked', { gid: run.gid });
    demandOwnWorkflow(run);
    const step = steer.step ?? run.step;
    if (step === null) throw new Problem('not_parked', { gid: run.gid });
    const { gid, version, atRisk } = run;
    const { decision, evidence, subject, people } = steer;
    const rule = ruleOfDecision(run, { step, decision, people }, thresholds);
    if (rule) await demandOffered(run, step, decision);
    const asked = { kind: 'decideStep', gid, version, step, decision, evidence } as const;
    const granted = rule && (await want({ ...asked, atRisk: [...atRisk] }, rule));
    if (granted?.kind === 'waits') return granted;
    await temporal.resolve(
      gid,
      {
        step,
        decision,
        evidence,
        actor: { subject },
        ...(granted && { consent: granted.consent }),
      },
      // Names the decision on this parking: repeated it gets its first answer, after another parking it is a new one.
      `resolve/${version}/${step}/${decision}`,
    );
    return { kind: 'taken', run: await find(steer) };
  }

  /** Two persons are asked for nothing that the run would refuse. @throws Problem `decision_not_offered`. */
  async function demandOffered({ gid }: RunRow, step: string, decision: Decision): Promise<void> {
    const told = await temporal.timeline(gid);
    if (!told) throw askAgain({ gid });
    if (told.parked.length === 0) throw new Problem('not_parked', { gid });
    const detail = whyNotOffered(told.parked, { step, decision });
    if (detail !== undefined) throw new Problem('decision_not_offered', { gid, detail });
  }

  /**
   * Takes a decision that a second person has approved. Safe to repeat, also at the same time: the run takes it once
   * under the approval's name, and tells ever after whether it has.
   *
   * @throws Problem `state_changed`: the row has moved, and not by this.
   */
  async function decideApproved(approved: Approved<ActionOf<'decideStep'>>): Promise<void> {
    const { id, tenant, askedBy, approvedBy, action } = approved;
    const { gid, version, step, decision, evidence } = action;
    const run = await find({ tenant, gid });
    const updateId = approvalUpdateId(id);
    if (run.version !== version || run.state !== 'parked') {
      if (await temporal.wasDecided(gid, updateId)) return;
      throw new Problem('state_changed', { gid, detail: `The version is ${run.version} now.` });
    }
    demandOwnWorkflow(run);
    const consent = { kind: 'approved', by: approvedBy, approval: id } as const;
    const actor = { subject: askedBy };
    await temporal.resolve(gid, { step, decision, evidence, actor, consent }, updateId);
  }

  /** Parks a stuck step, so that it can be decided by hand. */
  async function park(steer: Steer, step: string | undefined, note: string): Promise<RunRow> {
    const found = await find(steer);
    demandMoving(found);
    const wasInBatch = found.lane === 'batch';
    const run = wasInBatch ? await leaveBatch(found, steer) : found;
    demandMoving(run);
    demandOwnWorkflow(run);
    // The row names the step of its last move; the run knows the one that it is at.
    const atNow = step === undefined ? await temporal.timeline(run.gid) : undefined;
    const stuckAt = step ?? atNow?.step ?? run.step;
    if (!stuckAt) throw wasInBatch ? askAgain(run) : new Problem('state_changed', { gid: run.gid });
    const request = { step: stuckAt, note, actor: { subject: steer.subject } };
    await temporal
      .park(run.gid, request, `park/${run.version}/${stuckAt}`)
      .catch((error: unknown) => {
        throw wasInBatch && isNotStuck(error) ? askAgain(run) : error;
      });
    return find(steer);
  }

  /**
   * Decides a review.
   *
   * @param key names the decision: repeated with it, it gets its first answer as long as the run is open.
   * @throws Problem `second_person_required`: who decides may have started it.
   */
  async function review(
    steer: Steer,
    { decision, note }: Pick<ReviewDecision, 'decision' | 'note'>,
    key: string,
  ): Promise<RunRow> {
    const run = await find(steer);
    if (!isAnotherPerson(steer.people, run.requester)) {
      const detail = whyNotAnother(steer.people, run.requester, 'This payment was started');
      throw new Problem('second_person_required', { gid: run.gid, detail });
    }
    const isInBatch = run.state === 'running' && run.lane === 'batch'; // A review makes it leave.
    if (run.state === 'accepted' || isInBatch)
      throw new Problem('not_yet', { gid: run.gid, retryAfterSeconds: 1 });
    const updateId = `review/${decision}/${key}`;
    if (run.state !== 'running') {
      // Its answer may have been lost: the run may end in the task that takes it. Where nobody can tell, the state has
      // changed all the same.
      if (await temporal.wasDecided(run.gid, updateId).catch(() => false)) return run;
      throw new Problem('state_changed', { gid: run.gid });
    }
    const actor = { subject: steer.subject };
    await temporal.review(run.gid, { decision, note, actor }, updateId);
    return find(steer);
  }

  return { cancel, decide, decideApproved, park, review };
}
export type Steering = ReturnType<typeof createSteering>;

const askAgain = ({ gid }: Pick<RunRow, 'gid'>): Problem =>
  new Problem('ask_again', { gid, retryAfterSeconds: 1 });

/** A batch takes no update for one of its transactions, and parks none. @throws Problem `ask_again`. */
function demandOwnWorkflow(run: RunRow): void {
  if (run.lane === 'batch') throw askAgain(run);
}

/** @returns true: a cancel has nothing to add. @throws Problem `already_ended` or `past_pivot`. */
function isBeingUndone({ gid, state, pivotPassed }: RunRow): boolean {
  if (state === 'completed') throw new Problem('already_ended', { gid });
  if (state === 'compensated' || state === 'undoing') return true;
  if (pivotPassed) throw new Problem('past_pivot', { gid });
  return state === 'parked'; // On the undo way already.
}

/** @throws Problem `already_ended` or `state_changed`. */
function demandMoving({ gid, state }: RunRow): void {
  if (isEnding(state)) throw new Problem('already_ended', { gid });
  if (state !== 'running' && state !== 'undoing') throw new Problem('state_changed', { gid });
}

/** A run that has just been started has not failed at the step yet. */
const isNotStuck = (error: unknown): boolean =>
  error instanceof Problem && error.code === 'state_changed';

function expectVersion(run: RunRow, version: number | undefined): void {
  if (version === undefined || version === run.version) return;
  throw new Problem('state_changed', {
    gid: run.gid,
    detail: `The version is ${run.version} now.`,
  });
}
