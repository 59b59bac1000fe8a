import { CancelledFailure, CancellationScope, TemporalFailure } from '@temporalio/workflow';

import type { ParkReason } from '../../contracts/engine/failures';
import { branchLengthMax, branchPattern, stepKeyOf } from '../../contracts/engine/ids';
import type { StepKey } from '../../contracts/engine/ids';
import type { AmountAtRisk } from '../../contracts/engine/money';
import { retiredNameOf } from '../../contracts/engine/flow-definition';
import type { StepKind } from '../../contracts/engine/transaction';
import type { RetryBudget } from './activity-options';
import { inStep } from './calls';
import type { Kernel } from './kernel';
import type { OwedCall } from './retry-until-done';
import { failureOf, knownFailureOf, refusalOf } from './step-failure';
import type { Run, StepRecord } from './run';
import { isDecided, isWithoutUndo, endStep } from './run';
import type {
  CompensableStep,
  Done,
  ExecutableFlow,
  Transaction,
  UndoOfStep,
} from './executable-flow';

/** How often one step takes a lost lock again before the transaction is undone. */
const lockGrantsMax = 3;

/** The result of an act, or the refusal that proves that it had no effect. */
type KnownAnswer<Result> =
  { readonly result: Result; readonly refusal: undefined } | { readonly refusal: TemporalFailure };

/** Leaves room for names that the kernel derives from a step: `seal-<name>`, `<name>-confirm`. */
const stepNameMax = 48;

/** One execution of a flow: the functions for the flow, and the work that remains when the flow has run. */
export interface Execution {
  readonly tx: Transaction;
  /** Runs the work after the decision: confirms of TCC participants, and undos of retired steps. */
  confirm(retired: readonly UndoOfStep[]): Promise<void>;
  /** Resolves when no act is under way any more. From then on every function of `tx` fails with a cancel. */
  close(): Promise<void>;
  /** Throws the failure that ended the acts, if the flow has caught it and continued. */
  demandUnbroken(): void;
  /** What this execution proves about the effects of other runs. */
  reach(): Reach;
}

export interface Reach {
  /** Two acts were under way at once. A refusal of one does not prove how far the other went in another run. */
  readonly wasConcurrent: boolean;
  /** Every build gets the refusals that this one has got. */
  readonly isLasting: boolean;
}

/** @param isContinued an earlier run has reached the pivot, so the fence answers every step before it. */
export function createExecution(kernel: Kernel, isContinued = false): Execution {
  const { run, lane, locks, call, retryUntilDone } = kernel;
  const isRerun = () => isContinued || isDecided(run);
  const named = new Set<string>();
  const acting = new Set<Promise<unknown>>();
  const confirms: ((() => Promise<unknown>) | undefined)[] = [];
  /** The failure that ended the acts. The flow may not continue after it. */
  let failed: Error | undefined;
  let closed = false;
  let concurrent = false;
  let isLasting = true;

  const tx: Transaction = {
    gid: run.input.gid,
    call,

    async lock(kind, id) {
      demandOpen();
      if (isRerun() || !locks) return { token: null }; // The flow runs again, or the lane has no locks.
      mayAct();
      return track(
        kernel.body.run(() => locks.acquire({ kind, id, gid: run.input.gid }, kernel.timeLeftMs())),
      );
    },

    async step<Result>(
      name: string,
      { act, undo, atRisk = [], answers = () => atRisk, isAdded = false }: CompensableStep<Result>,
    ) {
      demandOpen();
      const failing = (error: unknown): never => {
        if (isAdded) isLasting = false;
        throw error;
      };
      if (isRerun()) {
        const done = await again(name, 'compensable', act, atRisk).catch(failing);
        learn(name, answers(done.result));
        return done;
      }
      mayAct();
      // The undo is registered before the act: if the act takes effect but its answer is lost, it must be undone.
      const step = begin(name, 'compensable', atRisk, undo);
      const result = await track(kernel.body.run(() => actOn(step, act))).catch(failing);
      learn(name, answers(result));
      return { key: step.key, result };
    },

    async participant(name, tcc) {
      const { atRisk = [], answers = () => atRisk, isAdded = false } = tcc;
      const place = confirms.push(undefined) - 1; // Confirms run in the order of the flow, whichever try ends first.
      const done = await tx.step(name, {
        act: tcc.try,
        undo: tcc.cancel,
        atRisk,
        answers,
        isAdded,
      });
      confirms[place] = () => finish(`${name}-confirm`, () => tcc.confirm(done.key));
      return done;
    },

    async pivot(name, act) {
      demandOpen();
      if (name !== kernel.decision.step) {
        throw new Error(`The flow is decided by ${kernel.decision.step}, not by ${name}.`);
      }
      if (isDecided(run)) return again(name, 'pivot', act);
      if (!isContinued) mayAct();
      if (acting.size > 0) throw new Error(`${name} would decide while a step is still acting.`);
      const step = begin(name, 'pivot', []);
      run.phase = 'deciding'; // From here on no cancel reaches the act, because its answer is the decision.
      const result = await track(CancellationScope.nonCancellable(() => decide(step, act)));
      kernel.decided();
      return { key: step.key, result };
    },

    async finish(name, act) {
      demandOpen();
      if (!isDecided(run)) throw new Error(`${name} may only run after the decision.`);
      return finish(name, act);
    },

    async review(request) {
      demandOpen();
      // The flow runs again: the decision of the person was recorded before the pivot.
      if (isRerun()) return undefined;
      mayAct();
      if (lane.leave) return lane.leave();
      return kernel.review.wait(request);
    },

    reportStatus(status) {
      demandOpen();
      if (!isRerun()) mayAct();
      if (run.early !== null) return;
      run.early = status;
      kernel.announce();
    },
  };

  return {
    tx,
    confirm,
    close,
    demandUnbroken,
    reach: () => ({ wasConcurrent: concurrent, isLasting }),
  };

  async function confirm(retired: readonly UndoOfStep[]): Promise<void> {
    await Promise.all([
      ...confirms.flatMap((confirmOne) => (confirmOne ? [confirmOne()] : [])),
      ...retired.map(takeBack),
    ]);
  }

  /** Takes back the effect of a step that only an earlier build has. */
  function takeBack({ step, atRisk, undo }: UndoOfStep): Promise<unknown> {
    const isKnown = run.steps.has(step); // An earlier run has called it, and its record has the amounts.
    return persist(
      retiredNameOf(step),
      () => undo(call, stepKeyOf(run.input.gid, step)),
      { reason: 'undo_failed', leaves: 'undone' },
      isKnown ? [] : atRisk,
    );
  }

  /** Replaces the amounts at risk of a step by those of its answer. */
  function learn(name: string, atRisk: readonly AmountAtRisk[]): void {
    const step = run.steps.get(name);
    if (step) step.atRisk = atRisk;
  }

  async function close(): Promise<void> {
    closed = true;
    await Promise.allSettled(acting);
  }

  function begin(
    name: string,
    kind: StepKind,
    atRisk: readonly AmountAtRisk[],
    undo?: (key: StepKey) => Promise<unknown>,
  ): StepRecord {
    if (named.has(name)) throw new Error(`Two steps of this flow are named ${name}.`);
    named.add(name);
    const step = run.steps.get(name) ?? beginStep(run, name, kind, atRisk, undo);
    lane.show(run);
    return step;
  }

  function demandOpen(): void {
    if (closed) throw new CancelledFailure('This execution is over.');
    demandUnbroken();
  }

  function demandUnbroken(): void {
    if (failed) throw failed;
  }

  function mayAct(): void {
    if (!kernel.mayAct()) {
      throw new CancelledFailure('The transaction does not act any more.');
    }
  }

  async function track<Result>(act: Promise<Result>): Promise<Result> {
    acting.add(act);
    concurrent ||= acting.size > 1;
    try {
      return await act;
    } catch (error) {
      // A recorded refusal is an answer that every run gets. After any other failure the outcome is unknown.
      if (refusalOf(error) === undefined)
        failed ??= error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      acting.delete(act);
    }
  }

  /** Runs one act. Takes the lock again if its token was too old. */
  async function actOn<Result>(
    step: StepRecord,
    act: (key: StepKey) => Promise<Result>,
  ): Promise<Result> {
    for (let grant = 1; ; grant += 1) {
      try {
        const budget: RetryBudget = { kind: 'act', timeLeftMs: kernel.timeLeftMs() };
        const result = await inStep(lane, step, budget, () => act(step.key));
        endStep(run, step, 'done');
        return result;
      } catch (error) {
        const type = knownFailureOf(error);
        if (type !== 'LockLost' || !locks || grant > lockGrantsMax) {
          endStep(run, step, refusalOf(error) === undefined ? 'unknown' : 'refused', {
            ...failureOf(error),
            ...(type === 'ReviewExpired' && { type }),
          });
          throw error;
        }
        await locks.acquireAgain(kernel.timeLeftMs());
      }
    }
  }

  /** Runs the pivot. Without a seal it is repeated until its outcome is known: before, undo would not be safe. */
  async function decide<Result>(
    step: StepRecord,
    act: (key: StepKey) => Promise<Result>,
  ): Promise<Result> {
    if (kernel.decision.seal) return actOn(step, act);
    return knownAnswer(step, act, 'pivot_unknown');
  }

  /** Repeats an act until its answer is known. A recorded refusal is an answer, and is thrown unchanged. */
  async function knownAnswer<Result>(
    step: StepRecord,
    act: (key: StepKey) => Promise<Result>,
    reason: ParkReason,
  ): Promise<Result> {
    const ask = async (): Promise<KnownAnswer<Result>> => {
      try {
        return { result: await act(step.key), refusal: undefined };
      } catch (error) {
        if (!(error instanceof TemporalFailure) || refusalOf(error) === undefined) throw error;
        return { refusal: error };
      }
    };
    const owed = { step, call: ask, reason, decisions: ['retry'], leaves: 'done' } as const;
    const answer = await retryUntilDone.persist(owed);
    if (!answer) throw new Error(`${step.name} was resolved by hand without an answer.`);
    if (!answer.refusal) return answer.result;
    endStep(run, step, 'refused', failureOf(answer.refusal));
    throw answer.refusal;
  }

  /** Runs a step again after the decision of the flow. The fence gives the same answer as before. */
  async function again<Result>(
    name: string,
    kind: StepKind,
    act: (key: StepKey) => Promise<Result>,
    atRisk: readonly AmountAtRisk[] = [],
  ): Promise<Done<Result>> {
    const step = begin(name, kind, atRisk);
    return { key: step.key, result: await knownAnswer(step, act, 'forward_failed') };
  }

  function finish<Result>(
    name: string,
    act: (key: StepKey) => Promise<Result>,
  ): Promise<Result | undefined> {
    return persist(name, act, { reason: 'finish_failed', leaves: 'done' });
  }

  /** Runs a step after the decision until it succeeds, or a person resolves it. */
  async function persist<Result>(
    name: string,
    act: (key: StepKey) => Promise<Result>,
    owed: Pick<OwedCall<Result>, 'reason' | 'leaves'>,
    atRisk: readonly AmountAtRisk[] = [],
  ): Promise<Result | undefined> {
    // An operator resolved it in an earlier run.
    if (run.resolvedByHand.some(({ step }) => step === name)) return undefined;
    const step = begin(name, 'retriable', atRisk);
    return retryUntilDone.persist({
      ...owed,
      step,
      call: () => act(step.key),
      decisions: ['retry', 'done', 'skip'],
    });
  }
}

/** Adds a record for a step, or finds the record of an earlier execution of this run. */
function beginStep(
  run: Run,
  name: string,
  kind: StepKind,
  atRisk: readonly AmountAtRisk[],
  undo?: (key: StepKey) => Promise<unknown>,
): StepRecord {
  if (name.length > (kind === 'retriable' ? branchLengthMax : stepNameMax)) {
    throw new Error(`${name} is too long for a step's name.`);
  }
  if (!branchPattern.test(name)) throw new Error(`${name} cannot name a branch.`);
  const key = stepKeyOf(run.input.gid, name);
  const step: StepRecord = {
    name,
    kind,
    key,
    effect: key,
    atRisk,
    startedAt: run.clock.now(),
    state: 'running',
    endedAt: null,
    fence: null,
    failure: null,
    detail: null,
    text: null,
    wasCalled: false,
    calls: {},
    parking: null,
    undo: undo && (() => undo(key)),
    interrupt: undefined,
  };
  run.steps.set(name, step);
  return step;
}

/**
 * Registers undos of the steps that this run never reached: an earlier run, or another coordinator, may have acted
 * them. An act that never happened is undone as well: the fence then stores an empty undo.
 *
 * @param isContinued an earlier run knows all steps, so only the undos of its steps are registered.
 * @throws a plain error for a begun step that this build does not know: it would never be undone.
 */
export function registerUndos(
  { run, call }: Kernel,
  { undos }: ExecutableFlow,
  isContinued: boolean,
): void {
  for (const { step: name, atRisk, undo } of undos) {
    const known = run.steps.get(name);
    const undoThis = (key: StepKey) => undo(call, key);
    if (known) known.undo ??= () => undoThis(known.key);
    else if (!isContinued) beginStep(run, name, 'compensable', atRisk, undoThis).state = 'unknown';
  }
  const forgotten = [...run.steps.values()].find(isWithoutUndo);
  if (forgotten) throw new Error(`${forgotten.name} was begun, and nothing here takes it back.`);
}
