/** A flow as a workflow. The functions of `tx`, and the undos before the pivot, are derived from the declared steps. */
import { isBatchInput, type BatchInput, type BatchResult } from '../../contracts/engine/batches';
import type { AnyOperation, Operation } from '../../contracts/engine/definition';
import { stepKeyOf, type BusinessId, type Gid, type StepKey } from '../../contracts/engine/ids';
import type { LockKind } from '../../contracts/engine/locks';
import type { AmountAtRisk } from '../../contracts/engine/money';
import { accord, decideBranch } from '../../contracts/engine/runs';
import type { FlowDefinition } from '../../contracts/engine/flow-definition';
import type { AnyStep, Step } from '../../contracts/engine/steps';
import type {
  EarlyStatus,
  TransactionInput,
  TransactionResult,
} from '../../contracts/engine/transaction';
import type { Keyed, SealAnswer, Verb } from '../../contracts/engine/verdict';
import type { Carried } from './run';
import type {
  CompensableStep,
  HeldLock,
  ReviewRequest,
  ExecutableFlow,
  TccParticipant,
  Transaction,
  UndoOfStep,
} from './executable-flow';
import { runBatch } from './batch';
import { runTransaction } from './transaction';

/** A request, or a function that makes it for each try: a lock that was taken again has a newer token. */
type Asked<Request> = Request | (() => Request);

/** Parameters of a step's function: none, if the request has no fields of its own. */
type Arguments<Request> = keyof Omit<Request, keyof Keyed> extends never
  ? []
  : [request: Asked<Omit<Request, keyof Keyed>>];

/** The function of a step on `tx`. It resolves when the step has taken effect. */
interface WordOf<Request, Result> {
  readonly compensable: (...asked: Arguments<Request>) => Promise<Result>;
  readonly tcc: (...asked: Arguments<Request>) => Promise<Result>;
  readonly pivot: (...asked: Arguments<Request>) => Promise<Result>;
  /**
   * Waits for a person, and records the decision. Fails with ReviewExpired without a decision in time. If the flow runs
   * again after its own decision, it asks no person.
   */
  readonly reviewed: (
    request: Omit<Request, keyof Keyed>,
    question: ReviewRequest,
  ) => Promise<void>;
  /** `undefined`: an operator has resolved the step by hand. */
  readonly retriable: (...asked: Arguments<Request>) => Promise<Result | undefined>;
  readonly confirms: () => Promise<void>;
  readonly repeated: {
    /** @param time from 1. It is part of the branch. */
    at(time: number, ...asked: Arguments<Request>): Promise<Result | undefined>;
  };
  readonly retired: never;
  readonly counted: {
    /** @param time from 1 to the `times` that the flow declares. It is part of the branch. */
    at(time: number, ...asked: Arguments<Request>): Promise<Result>;
  };
}

type Words<Steps> = {
  readonly [Name in keyof Steps]: Steps[Name] extends Step<
    infer Wording,
    infer Request,
    infer Result,
    never
  >
    ? WordOf<Request, Result>[Wording]
    : never;
};

/** Functions of the kernel on `tx`, beside the steps. */
export interface KernelWords<Lock extends LockKind = never> {
  readonly gid: Gid;
  /** Takes a lock for isolation, and waits while another transaction has it. The kernel gives it back at the end. */
  lock(kind: Lock, id: BusinessId): Promise<HeldLock>;
  /** The decision in `accord`, for an input without a pivot. If it is not called, it happens at the end. */
  decide(): Promise<void>;
  /** Reports an early status to callers, without waiting. The first status stands for good. */
  reportStatus(status: EarlyStatus): void;
}

/** The business logic of a flow. It is deterministic and may run again: the fence answers its acts. */
export interface FlowRun<Input, Steps, Lock extends LockKind = never> {
  /** Early status for callers as soon as undo begins, for any cause, unless they have got one before. */
  readonly statusWhenCompensated?: EarlyStatus;
  readonly run: (tx: KernelWords<Lock> & Words<Steps>, input: Input) => Promise<void>;
}

/** Makes a flow a workflow, of one transaction or of a batch. */
export const runFlow =
  <Input extends TransactionInput, Steps, Lock extends LockKind>(
    flow: FlowDefinition<Input, Steps, Lock>,
    given: FlowRun<Input, Steps, Lock>,
  ) =>
  (input: Input | BatchInput<Input>, carried?: Carried): Promise<TransactionResult | BatchResult> =>
    isBatchInput(input)
      ? runBatch(input, (item) => executableOf(flow, given, item))
      : runTransaction(input, executableOf(flow, given, input), carried);

/** The flow in the form that the kernel runs. @param input decides which steps it has. */
export function executableOf<Input extends TransactionInput, Steps, Lock extends LockKind>(
  { steps }: FlowDefinition<Input, Steps, Lock>,
  { statusWhenCompensated, run }: FlowRun<Input, Steps, Lock>,
  input: Input,
): ExecutableFlow {
  const all = Object.entries(steps as Readonly<Record<string, AnyStep<Input>>>); // `defineFlow` has checked them.
  const planned = all.filter(([, step]) => step.when(input));
  const pivot = planned.find(([, { wording }]) => wording === 'pivot');
  return {
    ...(pivot && { decision: decisionOf(...pivot, input) }),
    ...(statusWhenCompensated && { statusWhenCompensated: statusWhenCompensated }),
    undos: planned.flatMap(([name, step]) => undosOf(name, step, input)),
    retired: planned
      .filter(([, { wording }]) => wording === 'retired')
      .flatMap(([name, step]) => undosOf(name, step, input)),
    run: (tx) => run(wordsOf<Input, Steps, Lock>(tx, all, input), input),
  };
}

function decisionOf<Input>(
  name: string,
  { seal, sealRequest }: AnyStep<Input>,
  input: Input,
): NonNullable<ExecutableFlow['decision']> {
  if (!seal) return { step: name };
  return {
    step: name,
    seal: (call, key) => call(seal as Seal, { ...sealRequest(input), key }),
  };
}

type Seal = Operation<'seal', object, SealAnswer>;

const undone: readonly AnyStep['wording'][] = [
  'compensable',
  'counted',
  'reviewed',
  'tcc',
  'retired',
];

function undosOf<Input>(
  name: string,
  { wording, undo, undoRequest, atRisk, times }: AnyStep<Input>,
  input: Input,
): readonly UndoOfStep[] {
  if (!undone.includes(wording)) return [];
  return branchesOf(name, times?.(input)).map((step) => ({
    step,
    atRisk: atRisk(input),
    undo: undoing(undo, undoRequest, input),
  }));
}

const branchesOf = (name: string, times: number | undefined): readonly string[] =>
  times === undefined ? [name] : Array.from({ length: times }, (_, at) => `${name}-${at + 1}`);

/** A step without an undo needs no call. */
const undoing =
  <Input>(
    undo: AnyOperation | null,
    requestOf: (input: Input) => object,
    input: Input,
  ): UndoOfStep['undo'] =>
  (call, key) =>
    undo ? call(undo as Of<object>, { ...requestOf(input), key }) : Promise.resolve();

/** An operation of a declared step. The type of the step's function has checked the request. */
type Of<Request extends object> = Operation<Verb, Request, unknown>;

function wordsOf<Input, Steps, Lock extends LockKind>(
  tx: Transaction,
  steps: readonly (readonly [string, AnyStep<Input>])[],
  input: Input,
): KernelWords<Lock> & Words<Steps> {
  const told = steps.filter(([, { wording }]) => wording !== 'retired');
  const words = told.map(([name, step]) => {
    const word: unknown = step.when(input) ? wordOf({ tx, name, step, input }) : notItsOwn(name);
    return [name, word] as const;
  });
  const kernelWords: KernelWords<Lock> = {
    gid: tx.gid,
    lock: (kind, id) => tx.lock(kind, id),
    async decide() {
      await tx.pivot(decideBranch, (key) => tx.call(accord.decide, { key }));
    },
    reportStatus: (status) => tx.reportStatus(status),
  };
  // Each function is made from the step that gives it its type.
  return { ...kernelWords, ...Object.fromEntries(words) } as KernelWords<Lock> & Words<Steps>;
}

/** Rejects every call of a step that this input does not have, in both forms. */
function notItsOwn(name: string) {
  const refuse = () => Promise.reject(new Error(`${name} is no step of this input.`));
  return Object.assign(refuse, { at: refuse });
}

type AnyAsked = object | (() => object) | undefined;
const isMade = (asked: AnyAsked): asked is () => object => typeof asked === 'function';
const given = (asked: AnyAsked): object => (isMade(asked) ? asked() : (asked ?? {}));

/** One step of one run, from which its function is made. */
interface Place<Input> {
  readonly tx: Transaction;
  readonly name: string;
  readonly step: AnyStep<Input>;
  readonly input: Input;
}

type Acting<Result> = (key: StepKey) => Promise<Result>;

function wordOf<Input>(place: Place<Input>): unknown {
  const { tx, name, step } = place;
  const act = step.act as Of<object>;
  const acting =
    (asked: AnyAsked): Acting<unknown> =>
    (key) =>
      tx.call(act, { ...given(asked), key });
  switch (step.wording) {
    case 'compensable':
      return async (asked: AnyAsked) =>
        (await tx.step(name, compensating(place, asked, acting(asked)))).result;
    case 'counted': {
      const branches = branchesOf(name, step.times?.(place.input));
      const once = async (time: number, asked: AnyAsked) => {
        const branch = branches[time - 1];
        if (branch === undefined) throw new Error(`${name} is declared ${branches.length} times.`);
        return (await tx.step(branch, compensating(place, asked, acting(asked)))).result;
      };
      return { at: once };
    }
    case 'reviewed':
      return (asked: AnyAsked, question: ReviewRequest) =>
        tx.step(name, compensating(place, asked, reviewing(place, act, asked, question)));
    case 'tcc':
      return async (asked: AnyAsked) =>
        (await tx.participant(name, tried(place, asked, acting(asked)))).result;
    case 'pivot':
      return async (asked: AnyAsked) => (await tx.pivot(name, acting(asked))).result;
    case 'retriable':
      return (asked: AnyAsked) => tx.finish(name, acting(asked));
    case 'repeated':
      return {
        at: (time: number, asked: AnyAsked) => tx.finish(`${name}-${time}`, acting(asked)),
      };
    case 'retired':
      return undefined;
    case 'confirms': {
      const key = stepKeyOf(tx.gid, step.confirms ?? name);
      return () => tx.finish(name, () => tx.call(act, { key }));
    }
  }
}

/** A compensable step with the declared undo, and the amounts at risk by its participant. */
function compensating<Input, Result>(
  { tx, step: { act, undo, undoRequest, isAdded }, input }: Place<Input>,
  asked: AnyAsked,
  acting: Acting<Result>,
): Required<CompensableStep<Result>> {
  const amounts = act.amounts as (request: object, result?: unknown) => readonly AmountAtRisk[];
  const undoStep = undoing(undo, undoRequest, input);
  return {
    act: acting,
    undo: (key) => undoStep(tx.call, key),
    atRisk: amounts(given(asked)),
    answers: (result) => amounts(given(asked), result),
    isAdded,
  };
}

/** Waits for a person, and records the decision. */
const reviewing =
  <Input>(
    { tx }: Place<Input>,
    act: Of<object>,
    asked: AnyAsked,
    question: ReviewRequest,
  ): Acting<void> =>
  async (key) => {
    const reviewed = await tx.review(question);
    if (reviewed) await tx.call(act, { ...given(asked), ...reviewed, key });
  };

function tried<Input, Result>(
  place: Place<Input>,
  asked: AnyAsked,
  acting: Acting<Result>,
): TccParticipant<Result> {
  const { act, undo, ...risk } = compensating(place, asked, acting);
  const confirm = place.step.confirm as Of<object>;
  return { ...risk, try: act, cancel: undo, confirm: (key) => place.tx.call(confirm, { key }) };
}
