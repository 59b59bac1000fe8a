/**
 * Kinds of steps that a flow declares (`flow-definition.ts`). This file is pure, so workflows run the steps, and the API
 * plans and explains them. The order of the calls stands in the workflow.
 */
import type { AnyOperation, Operation } from './definition';
import type { AmountAtRisk } from './money';
import type { Keyed, SealAnswer } from './verdict';

/** Kind of a declared step. It decides how the workflow calls it: `tx.<name>(…)`. */
export type Wording =
  | 'compensable'
  | 'counted'
  | 'reviewed'
  | 'tcc'
  | 'pivot'
  | 'retriable'
  | 'repeated'
  | 'confirms'
  | 'retired';

/** One declared step. `Request`, `Result` and `Input` are only types, for the calls in the workflow. */
export interface Step<W extends Wording, Request extends object, Result, Input> {
  readonly wording: W;
  readonly act: AnyOperation;
  readonly undo: AnyOperation | null;
  readonly confirm: AnyOperation | null;
  readonly seal: AnyOperation | null;
  /** The step whose effect it confirms. */
  readonly confirms: string | null;
  readonly when: (input: Input) => boolean;
  /** How often a transaction with this input has the step. `undefined`: once, under its own name. */
  readonly times: ((input: Input) => number) | undefined;
  /** Amounts that the step may have put at risk while its request is unknown: the run never reached it. */
  readonly atRisk: (input: Input) => readonly AmountAtRisk[];
  /** A build without it may have run a transaction that this one runs now. */
  readonly isAdded: boolean;
  readonly undoRequest: (input: Input) => object;
  readonly sealRequest: (input: Input) => object;
  readonly takes?: (request: Request) => void;
  readonly gives?: Result;
}

/** A step of any request and result. */
export type AnyStep<Input = never> = Step<Wording, never, unknown, Input>;

type Act<Request extends object, Result> = Operation<'act', Request, Result>;
type Undo<Request extends object> = Operation<'undo', Request, null>;

export interface StepTraits<Input> {
  /** Whether a transaction with this input has the step. It reads the input only. Left out: every one has it. */
  readonly when?: (input: Input) => boolean;
  /**
   * Amounts that the step may have put at risk if this run never reached it, but an earlier run of the same gid may
   * have. Left out: nothing, or unknown. After a call the answer of the participant counts instead.
   */
  readonly atRisk?: (input: Input) => readonly AmountAtRisk[];
  /**
   * The step was added while runs of its flow may have been open. A run of a build without the step may have passed
   * this place, so a refusal of the step decides nothing. Remove this once none of those runs is left.
   */
  readonly isAdded?: true;
}

/** Fields of the request of an undo or a seal beside its key: none, or derived from the input of the flow. */
type Asked<Name extends string, Request extends object, Input> = keyof Omit<
  Request,
  keyof Keyed
> extends never
  ? object
  : { readonly [N in Name]: (input: Input) => Omit<Request, keyof Keyed> };

/** The undo of a step, and the inputs that have the step. */
type Undone<UndoRequest extends object, Input> = { readonly undo: Undo<UndoRequest> } & Asked<
  'undoRequest',
  UndoRequest,
  Input
> &
  StepTraits<Input>;

const always = () => true;
const nothing = () => ({});

interface GivenStep<W extends Wording> extends Pick<AnyStep, 'act'> {
  readonly wording: W;
  readonly undo?: AnyOperation;
  readonly confirm?: AnyOperation;
  readonly seal?: AnyOperation | undefined;
  readonly confirms?: string;
  readonly when?: unknown;
  readonly times?: unknown;
  readonly atRisk?: unknown;
  readonly isAdded?: true | undefined;
  readonly undoRequest?: unknown;
  readonly sealRequest?: unknown;
}

/** The compiler checks the parameters of each builder. The type of the step keeps their types. */
const step = <W extends Wording, Request extends object, Result, Input>(given: GivenStep<W>) => {
  demandFitting(given);
  return {
    undo: null,
    confirm: null,
    confirms: null,
    when: always,
    times: undefined,
    atRisk: () => [],
    undoRequest: nothing,
    sealRequest: nothing,
    ...given,
    seal: given.seal ?? null,
    isAdded: given.isAdded ?? false,
  } as Step<W, Request, Result, Input>;
};

/** Checks what the compiler cannot: the operations belong to one participant, and suit the place of the step. */
function demandFitting({ wording, act, undo, confirm: confirmed, seal }: GivenStep<Wording>): void {
  for (const other of [undo, confirmed, seal]) {
    if (!other || other.participant === act.participant) continue;
    throw new Error(`${other.type} knows nothing of ${act.type}: another participant's.`);
  }
  if (act.verb !== 'act') return;
  const isForward = wording === 'retriable' || wording === 'repeated';
  if ((act.refusalsAre === 'rolledBack') !== isForward) {
    throw new Error(
      isForward
        ? `${act.type} records its refusals: behind the pivot no retry would succeed.`
        : `${act.type} is for behind the pivot: its refusal would leave no record.`,
    );
  }
  const isEnded = undo !== undefined || confirmed !== undefined;
  if (act.reserves && !isEnded) throw new Error(`${act.type} reserves, and nothing would end it.`);
}

/** A step that its undo takes back if the transaction does not reach its pivot. */
export const compensable = <
  Request extends object,
  Result,
  UndoRequest extends object,
  Input = unknown,
>(
  act: Act<Request, Result>,
  given: Undone<UndoRequest, Input>,
) => step<'compensable', Request, Result, Input>({ ...given, wording: 'compensable', act });

/**
 * A compensable step that runs many times: `tx.<name>.at(n, …)`, n from 1 to `times(input)`, on the branch
 * `<name>-<n>`. Only the input decides how often, so a later run that reached none of them can undo all of them.
 */
export const counted = <
  Request extends object,
  Result,
  UndoRequest extends object,
  Input = unknown,
>(
  act: Act<Request, Result>,
  given: Undone<UndoRequest, Input> & { readonly times: (input: Input) => number },
) => step<'counted', Request, Result, Input>({ ...given, wording: 'counted', act });

/** A step before the pivot that leaves nothing to take back: it only reads, or its write stands for good. */
export const withoutUndo = <Request extends object, Result, Input = unknown>(
  act: Act<Request, Result>,
  given: StepTraits<Input> = {},
) => step<'compensable', Request, Result, Input>({ ...given, wording: 'compensable', act });

/** A compensable step that waits for the decision of a person, and records it. */
export const reviewed = <
  Request extends Decided,
  Result,
  UndoRequest extends object,
  Input = unknown,
>(
  act: Act<Request, Result>,
  given: Undone<UndoRequest, Input>,
) =>
  step<'reviewed', Omit<Request, keyof Decided>, Result, Input>({
    ...given,
    wording: 'reviewed',
    act,
  });

/** What a person decided on a transaction in review. */
export interface Decided {
  readonly decision: 'approve' | 'reject';
  /** Subject of the person. */
  readonly by: string;
  readonly note: string | null;
}

/** A TCC participant: tried, then confirmed once the transaction is decided, or cancelled. */
export const tcc = <Request extends object, Result, Input = unknown>(
  given: {
    readonly try: Act<Request, Result>;
    readonly confirm: Operation<'confirm', object, null>;
    readonly cancel: Undo<object>;
  } & StepTraits<Input>,
) =>
  step<'tcc', Request, Result, Input>({
    ...(given.when && { when: given.when }),
    ...(given.atRisk && { atRisk: given.atRisk }),
    isAdded: given.isAdded,
    wording: 'tcc',
    act: given.try,
    confirm: given.confirm,
    undo: given.cancel,
  });

/**
 * The point of no return. If its outcome is unknown, the seal finds out whether it has happened; if not, the
 * transaction is undone. Without a seal the act is repeated until its outcome is known. If an input does not have the
 * pivot, the transaction is decided in `accord`.
 */
export const pivot = <
  Request extends object,
  Result,
  SealRequest extends object = object,
  Input = unknown,
>(
  act: Act<Request, Result>,
  given: {
    readonly seal?: Operation<'seal', SealRequest, SealAnswer>;
  } & Asked<'sealRequest', SealRequest, Input> &
    StepTraits<Input>,
) => step<'pivot', Request, Result, Input>({ ...given, wording: 'pivot', act });

/** A step after the pivot. It is repeated until it has taken effect. */
export const retriable = <Request extends object, Result>(act: Act<Request, Result>) =>
  step<'retriable', Request, Result, unknown>({ wording: 'retriable', act });

/** A step after the pivot that runs any number of times: `tx.<name>.at(n, …)`, on the branch `<name>-<n>`. */
export const repeated = <Request extends object, Result>(act: Act<Request, Result>) =>
  step<'repeated', Request, Result, unknown>({ wording: 'repeated', act });

/** A step after the pivot that makes the reservation of an earlier step final, on the branch of that step. */
export const confirms = <const Name extends string>(
  name: Name,
  confirm: Operation<'confirm', object, null>,
): Step<'confirms', object, null, unknown> & { readonly confirms: Name } => ({
  ...step<'confirms', object, null, unknown>({ wording: 'confirms', act: confirm }),
  confirms: name,
});

/**
 * A step that its flow no longer has, so the workflow cannot call it. Its effects of an earlier build are taken back,
 * even if the transaction completes. Remove it once none of those runs is left.
 */
export const retired = <Request extends object, Result, Input>(
  former: Step<'compensable' | 'counted' | 'reviewed' | 'tcc', Request, Result, Input>,
): Step<'retired', Request, Result, Input> => ({ ...former, wording: 'retired', confirm: null });
