import { ApplicationFailure, condition } from '@temporalio/workflow';

import type { ParkReason } from '../../contracts/engine/failures';
import { consentText } from '../../contracts/engine/resolutions';
import { whyNotOffered } from '../../contracts/engine/transaction';
import type { Decision, ParkedStep, ResolveTransaction } from '../../contracts/engine/transaction';
import type { Run, StepFailure, StepRecord } from './run';
import { note, waitingOf } from './run';

export interface Parking {
  /** Waits for an operator's decision on a step, for as long as it takes. */
  park(step: StepRecord, why: ParkingReason): Promise<ResolveTransaction>;
  /** Throws NotParked or BadDecision; changes nothing. */
  validate(decision: ResolveTransaction): void;
  resolve(decision: ResolveTransaction): void;
}

export interface ParkingReason {
  readonly reason: ParkReason;
  readonly failed: StepFailure;
  readonly decisions: readonly Decision[];
}

/**
 * @param announce publishes the changed state of the run; `false`: only in Temporal, not in the row.
 * @param release gives the locks back: other transactions must not wait while this one waits for a person.
 */
export function createParking(
  run: Run,
  announce: (isNews: boolean) => void,
  release: () => Promise<void>,
): Parking {
  const decided = new Map<string, ResolveTransaction>();
  return { park, validate, resolve };

  async function park(step: StepRecord, why: ParkingReason): Promise<ResolveTransaction> {
    const before = run.restored.get(step.name);
    run.restored.delete(step.name);
    step.state = 'parked';
    run.state = 'parked';
    run.parked.set(step.name, before ?? parkedOnceMore(step, why, run.clock.now()));
    announce(before === undefined); // If it was parked before, the row has this state already.
    run.resting += 1;
    await Promise.all([condition(() => decided.has(step.name)), release()]);
    const decision = decided.get(step.name);
    if (!decision) throw new Error(`The decision on ${step.name} is gone.`);
    decided.delete(step.name);
    run.parked.delete(step.name);
    keepDecision(step, decision, run.clock.now());
    run.state = stateUnparked(run);
    announce(true);
    return decision;
  }

  function validate({ step, decision, evidence }: ResolveTransaction): void {
    const waiting = waitingOf(run);
    if (waiting.length === 0) throw refuse('NotParked', `${run.input.gid} is ${run.state}.`);
    if (decided.has(step)) throw refuse('BadDecision', `${step} has just been decided.`);
    const why = whyNotOffered(waiting, { step, decision });
    if (why !== undefined) throw refuse('BadDecision', why);
    if (decision !== 'retry' && !evidence) {
      throw refuse('BadDecision', `The decision ${decision} needs evidence.`);
    }
  }

  function resolve(asked: ResolveTransaction): void {
    const { step, decision, actor, evidence, consent } = asked;
    run.clock.messaged();
    const proof = evidence ? ` (${evidence.kind} ${evidence.ref})` : '';
    note(run, `${actor.subject} decided on ${step}: ${decision}${proof}${consentText(consent)}.`);
    decided.set(step, asked);
    run.resting -= 1;
    if (consent?.kind === 'approved') run.approvals.push(consent.approval);
  }
}

/** Also stores the parking in the step, where it stays after the decision. @returns the parked step. */
function parkedOnceMore(
  step: StepRecord,
  { reason, failed, decisions }: ParkingReason,
  at: number,
): ParkedStep {
  const { type: failure, detail, text } = failed;
  const times = (step.parking?.times ?? 0) + 1;
  step.parking = {
    times,
    firstAt: step.parking?.firstAt ?? at,
    lastAt: at,
    ...{ reason, failure, detail },
    ...(text !== null && { text }),
    lastDecision: step.parking?.lastDecision ?? null,
  };
  return { step: step.name, reason, detail, decisions, failures: times, parkedAt: at };
}

function keepDecision(step: StepRecord, { decision, actor }: ResolveTransaction, at: number): void {
  if (!step.parking) throw new Error(`${step.name} was decided, and never parked.`);
  step.parking = { ...step.parking, lastDecision: { decision, by: actor.subject, at } };
}

const stateUnparked = (run: Run): Run['state'] => {
  if (run.parked.size > 0) return 'parked';
  return run.phase === 'undoing' ? 'undoing' : 'running';
};

const refuse = (type: 'NotParked' | 'BadDecision', message: string) =>
  ApplicationFailure.nonRetryable(message, type);
