import { ApplicationFailure, CancellationScope } from '@temporalio/workflow';

import { accord, decideBranch, rowBranch, type MoveRun } from '../../contracts/engine/runs';
import { stepKeyOf } from '../../contracts/engine/ids';
import type { Keyed } from '../../contracts/engine/verdict';
import type { ParkReason } from '../../contracts/engine/failures';
import { createCalls, inStep, type Call } from './calls';
import type { Lane } from './lanes/lane';
import type { HeldLocks } from './lock';
import { createHeldLocks } from './lock';
import type { Parking } from './parking';
import { createParking } from './parking';
import type { RetryUntilDone } from './retry-until-done';
import { createRetryUntilDone } from './retry-until-done';
import type { Review } from './review';
import { createReview } from './review';
import type { Run, StepRecord } from './run';
import { actingEndsAt, atRiskOf, currentStepOf, deadlineOf, isDecided } from './run';
import type { DecisionStep, ExecutableFlow } from './executable-flow';

/** State and functions that the parts of the kernel share for one transaction. */
export interface Kernel {
  readonly run: Run;
  readonly lane: Lane;
  /** Scope of everything that a cancel or the deadline may end: the acts before the decision. */
  readonly body: CancellationScope;
  readonly decision: DecisionStep;
  readonly call: Call;
  readonly locks: HeldLocks | undefined;
  readonly parking: Parking;
  readonly retryUntilDone: RetryUntilDone;
  readonly review: Review;
  /** Whether acts may still run: no decision, no undo and no cancel has ended them. */
  mayAct(): boolean;
  /** Time left for acting. Throws DeadlineExceeded when there is none. */
  timeLeftMs(): number;
  /** Marks the transaction as decided: from here on it only goes forward. */
  decided(): void;
  /** Moves the row of `accord.runs` to the present state of the run, without waiting. */
  announce(): void;
  /** Resolves when every announced move is written. */
  announced(): Promise<void>;
  /** A record for a call of the kernel itself. */
  ownStep(name: string, branch: string): StepRecord;
}

/** The decision of a flow that has no pivot of its own: a fenced row in `accord`. */
const decideInAccord: DecisionStep = {
  step: decideBranch,
  seal: (call, key) => call(accord.sealDecision, { key }),
};

export function createKernel(run: Run, lane: Lane, flow: Pick<ExecutableFlow, 'decision'>): Kernel {
  const moves: Promise<void>[] = [];
  const call = createCalls(run, lane);
  const locks = lane.locks && createHeldLocks(run, lane.locks);
  const body = new CancellationScope();
  const mayAct = () => run.phase === 'acting' && !body.consideredCancelled;
  const parking = createParking(
    run,
    (isNews) => (isNews ? announce() : lane.show(run)),
    async () => locks?.release(),
  );
  return {
    run,
    lane,
    body,
    decision: flow.decision ?? decideInAccord,
    call,
    locks,
    parking,
    retryUntilDone: createRetryUntilDone(run, lane, parking),
    review: createReview(run, announce, mayAct),
    mayAct,
    timeLeftMs,
    decided,
    announce,
    announced: async () => {
      await Promise.all(moves);
    },
    ownStep,
  };

  function timeLeftMs(): number {
    const left = actingEndsAt(run) - run.clock.now();
    if (left > 0) return left;
    run.expired = true;
    throw ApplicationFailure.nonRetryable('The time for acting is over.', 'DeadlineExceeded');
  }

  function decided(): void {
    run.phase = 'forward';
    run.state = 'running';
    // In a batch the ending follows at once, or the transaction leaves: nobody could see this move.
    if (!lane.leave) announce();
  }

  function announce(): void {
    run.movedAt = Math.max(run.movedAt + 1, run.clock.now());
    lane.show(run);
    moves.push(CancellationScope.nonCancellable(() => moveRow(rowMoveOf(run, lane.owner))));
  }

  async function moveRow(move: RowMove): Promise<void> {
    const step = ownStep('row', rowBranch);
    await inStep(lane, step, { kind: 'forever' }, () =>
      call(accord.moveRun, { key: step.key, ...move }),
    );
  }

  function ownStep(name: string, branch: string): StepRecord {
    const key = stepKeyOf(run.input.gid, branch);
    return {
      name,
      kind: 'retriable',
      key,
      effect: key,
      atRisk: [],
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
      undo: undefined,
      interrupt: undefined,
    };
  }
}

type RowMove = Omit<MoveRun, keyof Keyed>;

const wasParked = ({ steps }: Run): boolean =>
  [...steps.values()].some(({ parking }) => parking !== null);

/** Copies the state at once: the run may have moved on before the call is sent. */
function rowMoveOf(run: Run, owner: string): RowMove {
  const [parked] = run.parked.values();
  const reason: ParkReason | null = parked?.reason ?? null;
  return {
    owner,
    to: run.state === 'parked' || run.state === 'undoing' ? run.state : 'running',
    at: run.movedAt,
    step: currentStepOf(run),
    reason,
    pivotPassed: isDecided(run),
    ...(wasParked(run) && { resumes: true }),
    atRisk: atRiskOf(run),
    // Every later move has it too, because a move that a later one overtakes changes nothing.
    ...(run.early !== null && { early: run.early }),
    ...(run.extendedMs > 0 && { deadlineAt: deadlineOf(run) }),
  };
}
