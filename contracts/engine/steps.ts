/**
 * Declares the steps of a flow once. This file is pure, so workflows run the steps, and the API plans and explains
 * them. The order of the calls stands in the workflow.
 */
import type { AnyOperation, Operation } from './definition';
import { flowPattern, type Flow } from './ids';
import { lockKindPattern, type LockKind } from './locks';
import type { AmountAtRisk } from './money';
import { decideBranch, rowBranch } from './runs';
import type { Keyed, SealAnswer } from './verdict';

/** Kind of a declared step. It decides how the workflow calls it: `tx.<name>(…)`. */
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

type PivotsOf<S> = {
  [N in keyof S]: S[N] extends { readonly wording: 'pivot' } ? N : never;
}[keyof S];
type IsUnion<T, U = T> = T extends unknown ? ([U] extends [T] ? false : true) : never;

/** Names of the kernel on `tx`, beside the steps. */
type KernelWord = 'gid' | 'lock' | 'decide' | 'reportStatus';

/** A flow has at most one pivot, a confirm names a step of the flow, and no step hides a name of the kernel. */
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

/** A flow and its steps. */
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
  /** In the order of the flow. Undo goes backwards. */
  readonly steps: S;
  readonly input?: (input: Input) => void;
}

/**
 * Declares a flow; `runFlow` makes its workflow. Steps are append-only: a build without a step could not undo it for an
 * open run that has acted it.
 *
 * @throws an error for a name that is no part of a gid, for a kind of lock that is no part of a key, for a step whose
 *   name cannot name its branches or clashes
 *   with another name of the run, for a confirm without its reservation, and for an added step before an unsealed
 * pivot.
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

/** Name under which a completed run takes back a retired step. @param branch of the step. */
export const retiredNameOf = (branch: string): string => `${branch}-retired`;

/** Names and branches of the kernel. */
const kernelNames = [
  ...(['gid', 'lock', 'decide', 'reportStatus'] as const satisfies readonly KernelWord[]),
  ...[decideBranch, rowBranch, `seal-${decideBranch}`],
];

/** Leaves room for the names that the kernel derives: `seal-<name>`, `<name>-<n>`, `<name>-<n>-retired`. */
const stepNameMax = 40;

/** A name begins with a letter. JavaScript sorts keys of digits first, and undo follows the order of the keys. */
const namePattern = /^[A-Za-z][A-Za-z0-9-]*$/;

/** Each name that a run derives from its steps must be unique, because it names a branch or a record. */
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

/** `x-<n>` stands for `x-1`, `x-2` and so on. */
function ownerOf(taken: ReadonlyMap<string, string>, name: string): string | undefined {
  const same = ([one]: readonly [string, string]) =>
    one === name || isTimeOf(one, name) || isTimeOf(name, one);
  return [...taken].find(same)?.[1];
}

const isTimeOf = (name: string, many: string): boolean =>
  many.includes('<n>') && new RegExp(`^${many.replace('<n>', '\\d+')}$`).test(name);

const nameRule = `a name is up to ${stepNameMax} letters, digits and dashes, and begins with a letter`;

/**
 * A refusal of an added step does not prove that the transaction is undecided. So its pivot needs a seal: without one,
 * a decided transaction could be undone.
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

/** A confirm uses the branch of the step that it names. So that step has one branch, with a reservation. */
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
