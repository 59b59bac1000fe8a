import { ApplicationFailure, condition } from '@temporalio/workflow';

import type { ParkReason } from '../../contracts/failures';
import { consentText } from '../../contracts/resolutions';
import { whyNotOffered, type Decision, type ResolveTransaction } from '../../contracts/transaction';
import type { Run, StepRecord } from './run';
import { note } from './run';

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
 * @param announce tells the outside that the run's state has changed.
 * @param release gives the locks back: nobody shall wait for a transaction that waits for a person.
 */
export function createParking(
  run: Run,
  announce: () => void,
  release: () => Promise<void>,
): Parking {
  const failures = new Map<string, number>();
  const decided = new Map<string, ResolveTransaction>();
  return { park, validate, resolve };

  async function park(step: StepRecord, why: ParkingReason): Promise<ResolveTransaction> {
    failures.set(step.name, (failures.get(step.name) ?? 0) + 1);
    step.state = 'parked';
    run.state = 'parked';
    run.parked.set(step.name, {
      step: step.name,
      ...why,
      failures: failures.get(step.name) ?? 1,
      parkedAt: run.now(),
    });
    announce();
    await Promise.all([condition(() => decided.has(step.name)), release()]);
    const decision = decided.get(step.name);
    if (!decision) throw new Error(`The decision on ${step.name} is gone.`);
    decided.delete(step.name);
    run.parked.delete(step.name);
    run.state = stateUnparked(run);
    announce();
    return decision;
  }

  function validate({ step, decision, evidence }: ResolveTransaction): void {
    if (run.parked.size === 0) throw refuse('NotParked', `${run.input.gid} is ${run.state}.`);
    if (decided.has(step)) throw refuse('BadDecision', `${step} has just been decided.`);
    const why = whyNotOffered([...run.parked.values()], { step, decision });
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
  }
}

const stateUnparked = (run: Run): Run['state'] => {
  if (run.parked.size > 0) return 'parked';
  return run.phase === 'undoing' ? 'undoing' : 'running';
};

const refuse = (type: 'NotParked' | 'BadDecision', message: string) =>
  ApplicationFailure.nonRetryable(message, type);
