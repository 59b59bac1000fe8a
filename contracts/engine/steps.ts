/**
 * What the steps of a flow are, declared once: pure, so that workflows run them and the API plans and explains them. How
 * the business goes stands in the workflow.
 */
import type { AnyOperation, Operation } from './definition';
import { flowPattern, type Flow } from './ids';
import { lockKindPattern, type LockKind } from './locks';
import type { AmountAtRisk } from './money';
import { decideBranch, rowBranch } from './runs';
import type { Keyed, SealAnswer } from './verdict';

/** How a step is told in the workflow: `tx.<name>(…)`. */
type Wording =
  | 'compensable'
  | 'counted'
  | 'reviewed'
  | 'tcc'
  | 'pivot'
  | 'retriable'
  | 'repeated'
  | 'confirms'
  | 'retired';

/** One step as it is declared. `Request`, `Result` and `Input` are types alone, for the words of the workflow. */
export interface Step<W extends Wording, Request extends object, Result, Input> {
  readonly wording: W;
  readonly act: AnyOperation;
  readonly undo: AnyOperation | null;
  readonly confirm: AnyOperation | null;
  readonly seal: AnyOperation | null;
  /** The step whose effect it confirms. */
  readonly confirms: string | null;
  readonly when: (input: Input) => boolean;
  /** How often an input has it; `undefined`: once, under its own name. */
  readonly times: ((input: Input) => number) | undefined;
  /** What may stand of it where nobody knows its request: of a run that never came to it. */
  readonly atRisk: (input: Input) => readonly AmountAtRisk[];
  /** A build without it may have run a transaction that this one runs now. */
  readonly isAdded: boolean;
  readonly undoRequest: (input: Input) => object;
  readonly sealRequest: (input: Input) => object;
  readonly takes?: (request: Request) => void;
  readonly gives?: Result;
}

/** No more of its types than every step has. */
export type AnyStep<Input = never> = Step<Wording, never, unknown, Input>;

type Act<Request extends object, Result> = Operation<'act', Request, Result>;
type Undo<Request extends object> = Operation<'undo', Request, null>;

export interface StepTraits<Input> {
  /** Whether this input has the step at all; left out: every one has it. It reads the input and nothing else. */
  readonly when?: (input: Input) => boolean;
  /**
   * What may stand of the step where this run never came to it, and an earlier life of it may have. Left out: nothing, or
   * nobody knows. Once it is asked for, its participant says.
   */
  readonly atRisk?: (input: Input) => readonly AmountAtRisk[];
  /**
   * The step came to its flow while runs of it may have been open: a build without it may have come further than one that
   * is refused here, so its refusal decides nothing. May go once none of those runs is left.
   */
  readonly isAdded?: true;
}

/** What an undo or a seal asks for beside its key: nothing, or what the flow's input says of it. */
type Asked<Name extends string, Request extends object, Input> = keyof Omit<
  Request,
  keyof Keyed
> extends never
  ? object
  : { readonly [N in Name]: (input: Input) => Omit<Request, keyof Keyed> };

/** How a step is taken back, and which inputs have it. */
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

/** The compiler checks each builder's parameters; what they are of is kept in its type. */
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

/** What the compiler cannot see: whose operations they are, and whether the step may stand where it does. */
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

/** A step that is taken back by its undo, should the transaction not come to its pivot. */
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
 * A compensable step that an input has many times: `tx.<name>.at(n, …)`, n from 1 to `times(input)`, on the branch
 * `<name>-<n>`. The input alone says how often, so that a life which came to none of them can undo them all.
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

/** A step before the pivot that leaves nothing behind which could be taken back: it looks, or writes once for all. */
export const withoutUndo = <Request extends object, Result, Input = unknown>(
  act: Act<Request, Result>,
  given: StepTraits<Input> = {},
) => step<'compensable', Request, Result, Input>({ ...given, wording: 'compensable', act });

/** A compensable step that records what a person decides, and waits for it. */
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
 * The point of no return. With a seal an unknown outcome is asked for, and undone where it never will be; without one
 * the act is repeated until it is known. Where an input does not have it, the transaction is decided in `accord`.
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

/** A step after the pivot: repeated until it has taken effect. */
export const retriable = <Request extends object, Result>(act: Act<Request, Result>) =>
  step<'retriable', Request, Result, unknown>({ wording: 'retriable', act });

/** A step after the pivot that runs any number of times: `tx.<name>.at(n, …)`, on the branch `<name>-<n>`. */
export const repeated = <Request extends object, Result>(act: Act<Request, Result>) =>
  step<'repeated', Request, Result, unknown>({ wording: 'repeated', act });

/** A step after the pivot that makes final what an earlier one has reserved, on that one's branch. */
export const confirms = <const Name extends string>(
  name: Name,
  confirm: Operation<'confirm', object, null>,
): Step<'confirms', object, null, unknown> & { readonly confirms: Name } => ({
  ...step<'confirms', object, null, unknown>({ wording: 'confirms', act: confirm }),
  confirms: name,
});

/**
 * A step that its flow has no more. It has no word; what an earlier build has acted of it is taken back, also where the
 * transaction completes. May go once none of those runs is left.
 */
export const retired = <Request extends object, Result, Input>(
  former: Step<'compensable' | 'counted' | 'reviewed' | 'tcc', Request, Result, Input>,
): Step<'retired', Request, Result, Input> => ({ ...former, wording: 'retired', confirm: null });

type PivotsOf<S> = {
  [N in keyof S]: S[N] extends { readonly wording: 'pivot' } ? N : never;
}[keyof S];
type IsUnion<T, U = T> = T extends unknown ? ([U] extends [T] ? false : true) : never;

/** Words of the kernel beside the steps. */
type KernelWord = 'gid' | 'lock' | 'decide' | 'reportStatus';

/** A flow has one pivot at most, what is confirmed is a step of it, and no step hides a word of the kernel. */
type Checked<S> = (true extends IsUnion<PivotsOf<S>>
  ? { readonly error: 'a flow has one pivot' }
  : unknown) & {
  readonly [N in keyof S]: N extends KernelWord
    ? { readonly error: 'this is a word of the kernel' }
    : S[N] extends { readonly confirms: infer Name extends string }
      ? Name extends keyof S
        ? unknown
        : { readonly error: 'it confirms no step of this flow' }
      : unknown;
};

/** A flow: what its steps are. */
export interface FlowDefinition<
  Input = never,
  S = Readonly<Record<string, AnyStep>>,
  Lock extends LockKind = LockKind,
  Name extends Flow = Flow,
> {
  /** First part of a gid. */
  readonly name: Name;
  /** Workflow type, as registered with Temporal. */
  readonly workflow: string;
  /** Kinds that its run may lock. */
  readonly locks: readonly Lock[];
  /** In the order of the business; undone last first. */
  readonly steps: S;
  readonly input?: (input: Input) => void;
}

/**
 * Declares a flow; its workflow is made of it by `runFlow`. Steps are append-only: one that an open run has acted would
 * be forgotten by a build that no longer has it.
 *
 * @throws an error for a name that is no part of a gid, for a kind of lock that is no part of a key, for a step whose name cannot name its branches or clashes
 *   with another name of the run, for a confirm without its reservation, and for an added step before an unsealed pivot.
 */
export const defineFlow =
  <Input>() =>
  <
    S extends Readonly<
      Record<string, { readonly wording: Wording; readonly when: (input: Input) => boolean }>
    >,
    const Lock extends LockKind = never,
    const Name extends Flow = Flow,
  >(flow: {
    readonly name: Name;
    readonly workflow: string;
    readonly locks?: readonly Lock[];
    readonly steps: S & Checked<S>;
  }): FlowDefinition<Input, S, Lock, Name> => {
    const { name, locks = [] } = flow;
    if (!flowPattern.test(name)) throw new Error(`${name} is no name of a flow: ${flowNameRule}.`);
    for (const kind of locks) {
      if (!lockKindPattern.test(kind)) throw new Error(`${name} cannot lock ${kind}: ${kindRule}.`);
    }
    const steps = flow.steps as Readonly<Record<string, AnyStep>>;
    demandNames(name, steps);
    demandConfirmable(name, steps);
    demandAskable(name, steps);
    return { ...flow, locks };
  };

/** Under which name a completed run takes a retired step back. @param branch of the step. */
export const retiredNameOf = (branch: string): string => `${branch}-retired`;

/** Words of the kernel, and branches of its own. */
const kernelNames = [
  ...(['gid', 'lock', 'decide', 'reportStatus'] as const satisfies readonly KernelWord[]),
  ...[decideBranch, rowBranch, `seal-${decideBranch}`],
];

/** Leaves room for what the kernel makes of a name: `seal-<name>`, `<name>-<n>`, `<name>-<n>-retired`. */
const stepNameMax = 40;

/** It begins with a letter: JavaScript would sort one of digits before all others, and undo follows the order. */
const namePattern = /^[A-Za-z][A-Za-z0-9-]*$/;

/** Each name that a run makes of its steps is a branch or a record of its own. */
function demandNames(flow: string, steps: Readonly<Record<string, AnyStep>>): void {
  const taken = new Map(kernelNames.map((name) => [name, 'the kernel']));
  for (const [own, { wording, times, confirm: confirmed }] of Object.entries(steps)) {
    if (!namePattern.test(own) || own.length > stepNameMax) {
      throw new Error(`${flow}: ${own} cannot name a step: ${nameRule}.`);
    }
    const isMany = wording === 'repeated' || times !== undefined;
    const branch = isMany ? `${own}-<n>` : own;
    const names = [
      ...[own, branch],
      ...(confirmed ? [`${own}-confirm`] : []),
      ...(wording === 'retired' ? [retiredNameOf(branch)] : []),
      ...(wording === 'pivot' ? [`seal-${own}`] : []),
    ];
    for (const name of new Set(names)) {
      const other = ownerOf(taken, name);
      if (other !== undefined) throw new Error(`${flow}: ${own} clashes with ${other}: ${name}.`);
      taken.set(name, own);
    }
  }
}

/** `x-<n>` is the name of every `x-1`. */
function ownerOf(taken: ReadonlyMap<string, string>, name: string): string | undefined {
  const same = ([one]: readonly [string, string]) =>
    one === name || isTimeOf(one, name) || isTimeOf(name, one);
  return [...taken].find(same)?.[1];
}

const isTimeOf = (name: string, many: string): boolean =>
  many.includes('<n>') && new RegExp(`^${many.replace('<n>', '\\d+')}$`).test(name);

const nameRule = `a name is up to ${stepNameMax} letters, digits and dashes, and begins with a letter`;

/**
 * A refusal of an added step is no proof that nobody has decided, so the pivot must be one that can be asked about:
 * without a seal what was decided would be undone.
 */
function demandAskable(flow: string, steps: Readonly<Record<string, AnyStep>>): void {
  const entries = Object.entries(steps);
  const [unsealed] = entries.find(([, { wording, seal }]) => wording === 'pivot' && !seal) ?? [];
  const [added] = entries.find(([, { isAdded }]) => isAdded) ?? [];
  if (unsealed === undefined || added === undefined) return;
  throw new Error(
    `${flow}: ${added} is added, and ${unsealed} has no seal to ask whether it has happened.`,
  );
}

/** A confirm goes to the branch of the step that it names, so that step has one branch, and a reservation on it. */
function demandConfirmable(flow: string, steps: Readonly<Record<string, AnyStep>>): void {
  for (const [name, { confirms: confirmed, act }] of Object.entries(steps)) {
    const target = confirmed === null ? undefined : steps[confirmed];
    if (!target) continue;
    const hasBranch = target.wording === 'compensable' || target.wording === 'reviewed';
    if (hasBranch && target.act.participant === act.participant) continue;
    throw new Error(`${flow}: ${name} cannot confirm ${confirmed ?? ''}.`);
  }
}

const flowNameRule = 'it is 1 to 14 small letters and digits, and begins with a letter';
const kindRule = 'a kind is up to 32 letters, digits and dashes, and begins with a small letter';
