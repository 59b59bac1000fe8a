/**
 * What a participant is, declared once: its operations, what each asks of the fence, and what follows from it. Pure, so
 * that workflows, activities, the API and tools read the same words.
 */
import { whyNoRefusal, type Refusal } from './failures';
import type { AmountAtRisk } from './money';
import type { Keyed, SealAnswer, SetActivity, Verb } from './verdict';

/** What an operation is, beside its name. `Request` and `Result` are types alone: no value of them is kept here. */
export interface OperationTraits<V extends Verb, Request extends object, Result> {
  readonly verb: V;
  /**
   * `recorded`: before the pivot and at it, so that a delayed first attempt meets the refusal. `rolledBack`: after it, so
   * that an operator may try again.
   */
  readonly refusalsAre: 'recorded' | 'rolledBack';
  /** What the business may say no with, and nothing else. The failures of the protocol come with every operation. */
  readonly refusals: readonly Refusal[];
  /** The act only reserves: a confirm or an undo must follow. */
  readonly reserves: boolean;
  /** A person who skips it moves money, or leaves it where it is. */
  readonly movesMoney: boolean;
  /** What the act puts at risk, as far as its request says; with the result, as the answer says. */
  readonly amounts: (request: Request, result?: Result) => readonly AmountAtRisk[];
}

/** An operation of a participant: an activity, the words of a flow, and the fence's verb. */
export interface Operation<V extends Verb, Request extends object, Result> extends OperationTraits<
  V,
  Request,
  Result
> {
  readonly participant: string;
  readonly name: string;
  /** `<participant>.<name>`: activity type in Temporal, in metrics and at fault points. */
  readonly type: string;
}

/** No more of its types than every operation has. */
export type AnyOperation = Operation<Verb, never, never>;
/** No more than this, or the compiler would take what a request is from here. */
interface AnyTraits {
  readonly verb: Verb;
  readonly refusals: readonly Refusal[];
}

export interface ActTraits<Request extends object, Result> {
  /** Left out: it refuses nothing of its own. */
  readonly refusals?: readonly Refusal[];
  /** Left out: it does not. */
  readonly reserves?: true;
  /** Left out: it does not. */
  readonly movesMoney?: true;
  /** Left out: nothing. */
  readonly amounts?: (request: Request, result?: Result) => readonly AmountAtRisk[];
}

function traits<V extends Verb, Request extends object, Result>(
  verb: V,
  given: ActTraits<Request, Result> = {},
  refusalsAre: 'recorded' | 'rolledBack' = 'recorded',
): OperationTraits<V, Request, Result> {
  const { refusals = [], reserves = false, movesMoney = false, amounts = () => [] } = given;
  return { verb, refusalsAre, refusals, reserves, movesMoney, amounts };
}

/** What takes effect before the pivot, or is it: may be undone, confirmed or sealed. */
export const act = <Request extends object, Result = null>(given?: ActTraits<Request, Result>) =>
  traits<'act', Request, Result>('act', given);

/** What takes effect after the pivot only: retried until it has. */
export const retriableAct = <Request extends object, Result = null>(
  given?: Omit<ActTraits<Request, Result>, 'reserves'>,
) => traits<'act', Request, Result>('act', given, 'rolledBack');

/** Makes the reservation of an act final, on its branch. */
export const confirm = <Request extends object = object>(given?: { readonly movesMoney?: true }) =>
  traits<'confirm', Request, null>('confirm', given);

/** Takes an act back, on its branch; one that never came is fenced for good. */
export const undo = <Request extends object = object>() => traits<'undo', Request, null>('undo');

/** Answers whether the act of a branch has happened; where it has not, it never will. */
export const seal = <Request extends object = object>() =>
  traits<'seal', Request, SealAnswer>('seal');

type Named<Operations> = {
  readonly [Name in keyof Operations]: Operations[Name] extends OperationTraits<
    infer V,
    infer Request,
    infer Result
  >
    ? Operation<V, Request, Result>
    : never;
};

/** A participant: its operations under their names, beside its own. */
export interface Participating {
  readonly participant: string;
}

type OperationNames<Definition> = {
  [Name in keyof Definition]: Definition[Name] extends { readonly verb: Verb } ? Name : never;
}[keyof Definition];

/** The operations of a participant, by name. */
export type OperationsOf<Definition extends Participating> = Pick<
  Definition,
  OperationNames<Definition>
>;

/** The activities that implement a participant, by name of the operation. */
export type ActivitiesOf<Definition extends Participating> = {
  readonly [Name in OperationNames<Definition>]: Definition[Name] extends Operation<
    Verb,
    infer Request,
    infer Result
  >
    ? SetActivity<Request & Keyed, Result>
    : never;
};

/**
 * Declares a participant. All that is said of its operations anywhere else follows from this.
 *
 * @param participant its name, `/^[a-z][A-Za-z]*$/`: it begins the activity types.
 * @throws an error for a refusal that could be taken for something else: `whyNoRefusal`.
 */
export function defineParticipant<
  const Name extends string,
  Operations extends Record<string, AnyTraits> & { readonly participant?: never },
>(participant: Name, operations: Operations): Named<Operations> & { readonly participant: Name } {
  const named = Object.entries(operations).map(([name, given]) => {
    const type = activityTypeOf(participant, name);
    demandRefusals(type, given.refusals);
    return [name, { ...given, participant, name, type }];
  });
  // The compiler cannot follow names through Object.entries; each entry is built of the one that it replaces.
  return { ...(Object.fromEntries(named) as Named<Operations>), participant };
}

function demandRefusals(type: string, refusals: readonly Refusal[]): void {
  for (const refusal of refusals) {
    const why = whyNoRefusal(refusal);
    if (why !== undefined) throw new Error(`${type} cannot refuse with ${refusal}: ${why}.`);
  }
}

/** The operations of a participant, as a list. */
export const operationsOf = (definition: Participating): readonly AnyOperation[] =>
  Object.values<AnyOperation | string>({ ...definition }).filter((one) => typeof one === 'object');

/** The name that an activity is registered with, shown in the Temporal UI, in metrics and at fault points. */
export const activityTypeOf = (participant: string, activity: string): string =>
  `${participant}.${activity}`;
