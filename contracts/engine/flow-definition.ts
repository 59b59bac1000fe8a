/** Declares a flow: its steps, their order, and what must hold between them. Pure, as `steps.ts` is. */
import { flowPattern, type Flow } from './ids';
import { lockKindPattern, type LockKind } from './locks';
import { decideBranch, rowBranch } from './runs';
import type { AnyStep, Wording } from './steps';

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

/** The lane that a flow allows: see `FlowDefinition`. */
export type FlowLane = 'any' | 'single';

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
  /**
   * Whether transactions that start together may share a workflow. `any`: they may, where the API is configured so.
   * `single`: each has a workflow of its own, whatever is configured. Left out: `single` for a flow with locks, `any`
   * for one without.
   */
  readonly lane: FlowLane;
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
    readonly lane?: FlowLane;
    readonly steps: S & Checked<S>;
  }): FlowDefinition<Input, S, Lock, Name> => {
    const { name, locks = [], lane = locks.length > 0 ? 'single' : 'any' } = flow;
    if (!flowPattern.test(name)) throw new Error(`${name} is no name of a flow: ${flowNameRule}.`);
    for (const kind of locks) {
      if (!lockKindPattern.test(kind)) throw new Error(`${name} cannot lock ${kind}: ${kindRule}.`);
    }
    const steps = flow.steps as Readonly<Record<string, AnyStep>>;
    demandNames(name, steps);
    demandConfirmable(name, steps);
    demandAskable(name, steps);
    return { ...flow, locks, lane };
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
