import { ApplicationFailure, condition } from '@temporalio/workflow';

import type { ParkReason } from '../../contracts/failures';
import { consentText } from '../../contracts/resolutions';
import { whyNotOffered, type Decision, type ResolveTransaction } from '../../contracts/transaction';
import type { Run, StepRecord } from './run';
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
  readonly detail: string;
  readonly decisions: readonly Decision[];
}

/**
 * @param announce tells the outside that the run's state has changed; `false`: only those who look into the run.
 * @param release gives the locks back: nobody shall wait for a transaction that waits for a person.
 */
export function createParking(
  run: Run,
  announce: (isNews: boolean) => void,
  release: () => Promise<void>,
): Parking {
  const failures = new Map<string, number>();
  const decided = new Map<string, ResolveTransaction>();
  return { park, validate, resolve };

  async function park(step: StepRecord, why: ParkingReason): Promise<ResolveTransaction> {
    const before = run.restored.get(step.name);
    run.restored.delete(step.name);
    const count = before?.failures ?? (failures.get(step.name) ?? 0) + 1;
    failures.set(step.name, count);
    step.state = 'parked';
    run.state = 'parked';
    run.parked.set(
      step.name,
      before ?? { step: step.name, ...why, failures: count, parkedAt: run.now() },
    );
    announce(before === undefined); // The row says so already: nobody's look at it grows old.
    run.resting += 1;
    await Promise.all([condition(() => decided.has(step.name)), release()]);
    const decision = decided.get(step.name);
    if (!decision) throw new Error(`The decision on ${step.name} is gone.`);
    decided.delete(step.name);
    run.parked.delete(step.name);
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
    const proof = evidence ? ` (${evidence.kind} ${evidence.ref})` : '';
    note(run, `${actor.subject} decided on ${step}: ${decision}${proof}${consentText(consent)}.`);
    decided.set(step, asked);
    run.resting -= 1;
    if (consent?.kind === 'approved') run.approvals.push(consent.approval);
  }
}

const stateUnparked = (run: Run): Run['state'] => {
  if (run.parked.size > 0) return 'parked';
  return run.phase === 'undoing' ? 'undoing' : 'running';
};

const refuse = (type: 'NotParked' | 'BadDecision', message: string) =>
  ApplicationFailure.nonRetryable(message, type);
