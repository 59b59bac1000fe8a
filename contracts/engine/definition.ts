/**
 * Declares a participant once: its operations, their fence verbs, and what follows from them. This file is pure, so
 * workflows, activities, the API and tools read the same definitions.
 */
import type { EventDeclaration, EventDeclarations } from './events';
import { whyNoRefusal, type Refusal } from './failures';
import type { AmountAtRisk } from './money';
import type { Keyed, SealAnswer, SetActivity, Verb } from './verdict';

/** All of an operation except its name. `Request` and `Result` are only types: no value of them is stored here. */
export interface OperationTraits<V extends Verb, Request extends object, Result> {
  readonly verb: V;
  /**
   * `recorded`: up to the pivot, so that a delayed first attempt gets the refusal. `rolledBack`: after the pivot, so
   * that an operator may try again.
   */
  readonly refusalsAre: 'recorded' | 'rolledBack';
  /** The complete list of refusals. Every operation may also fail with the failures of the protocol. */
  readonly refusals: readonly Refusal[];
  /** The act only reserves: a confirm or an undo must follow. */
  readonly reserves: boolean;
  /** A person who skips this step decides where money is. */
  readonly movesMoney: boolean;
  /** Amounts that the act puts at risk: by its request, or by its result once there is one. */
  readonly amounts: (request: Request, result?: Result) => readonly AmountAtRisk[];
}

/** An operation of a participant: its activity, its name in a flow, and its fence verb. */
export interface Operation<V extends Verb, Request extends object, Result> extends OperationTraits<
  V,
  Request,
  Result
> {
  readonly participant: string;
  readonly name: string;
  /** `<participant>.<name>`: activity type in Temporal, in metrics and at fault points. */
  readonly type: string;
  /** Events that it may announce. None: each effect announces the generic event, `type` without data. */
  readonly announces: readonly string[];
}

/** An operation of any request and result. */
export type AnyOperation = Operation<Verb, never, never>;
/** Nothing more stands here, or the compiler would infer the request type from it. */
interface AnyTraits {
  readonly verb: Verb;
  readonly refusals: readonly Refusal[];
}

export interface ActTraits<Request extends object, Result> {
  /** Left out: no refusals of its own. */
  readonly refusals?: readonly Refusal[];
  /** Left out: `false`. */
  readonly reserves?: true;
  /** Left out: `false`. */
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

/** An act before the pivot, or the pivot itself. It may be undone, confirmed or sealed. */
export const act = <Request extends object, Result = null>(given?: ActTraits<Request, Result>) =>
  traits<'act', Request, Result>('act', given);

/** An act after the pivot. It is retried until it has taken effect. */
export const retriableAct = <Request extends object, Result = null>(
  given?: Omit<ActTraits<Request, Result>, 'reserves'>,
) => traits<'act', Request, Result>('act', given, 'rolledBack');

/** Makes the reservation of an act final, on its branch. */
export const confirm = <Request extends object = object>(given?: { readonly movesMoney?: true }) =>
  traits<'confirm', Request, null>('confirm', given);

/** Takes an act back, on its branch. An act that never arrived is fenced for good. */
export const undo = <Request extends object = object>() => traits<'undo', Request, null>('undo');

/** Answers whether the act of a branch has happened. If it has not, it never will. */
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

/** A participant: its name, and its operations under their names. */
export interface Participating {
  readonly participant: string;
  /** Its own events, by type. */
  readonly events: EventDeclarations;
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

/** Part of the names of databases, MySQL users, topics and variables. */
const participantPattern = /^[a-z][A-Za-z]{0,23}$/;

// eslint-disable-next-line @typescript-eslint/no-generated-empty-object-type -- It has no key, so it has no event.
type NoEvents = Readonly<Record<never, never>>;

/** Column `type` of an outbox. A generic event has the name of its operation. */
const eventTypeLengthMax = 64;

/** Past tense: `stock.reserved`. */
const eventTypePattern = /^(?=.{1,64}$)[a-z][A-Za-z]*\.[a-z][A-Za-z]*$/;

/**
 * Declares a participant. Everything else about its operations is derived from this declaration.
 *
 * @param events its own events. An operation that none of them names announces the generic event,
 *   `<participant>.<operation>` without data.
 * @param participant its name, `participantPattern`: the activity types begin with it, and its database is named after it.
 * @throws an error for a name of another form or length, of it, an operation or an event, or for a refusal that could be taken for something else: `whyNoRefusal`.
 */
export function defineParticipant<
  const Name extends string,
  Operations extends Record<string, AnyTraits> & {
    readonly participant?: never;
    readonly events?: never;
  },
  Events extends Readonly<Record<string, EventDeclaration<object, keyof Operations & string>>> =
    NoEvents,
>(
  participant: Name,
  operations: Operations,
  events?: Events,
): Named<Operations> & { readonly participant: Name; readonly events: Events } {
  if (!participantPattern.test(participant))
    throw new Error(
      `${participant} is no name of a participant: it is 1 to 24 letters, and begins with a small one.`,
    );
  const named = Object.entries(operations).map(([name, given]) => {
    const type = activityTypeOf(participant, name);
    demandRefusals(type, given.refusals);
    if (type.length > eventTypeLengthMax)
      throw new Error(
        `${type} is too long: an operation has at most ${eventTypeLengthMax} letters with its participant.`,
      );
    return [name, { ...given, participant, name, type, announces: announcedBy(name, events) }];
  });
  demandEventTypes(participant, events ?? {});
  // The compiler cannot follow names through Object.entries; each entry is built of the one that it replaces. Events
  // that are left out have the type of none.
  return {
    ...(Object.fromEntries(named) as Named<Operations>),
    participant,
    events: events ?? ({} as Events),
  };
}

const announcedBy = (operation: string, events: EventDeclarations = {}): readonly string[] =>
  Object.entries(events).flatMap(([type, { by }]) => (by.includes(operation) ? [type] : []));

function demandEventTypes(participant: string, events: EventDeclarations): void {
  for (const type of Object.keys(events)) {
    if (eventTypePattern.test(type)) continue;
    throw new Error(
      `${participant} cannot announce ${type}: an event is named like stock.reserved, in at most 64 letters.`,
    );
  }
}

function demandRefusals(type: string, refusals: readonly Refusal[]): void {
  for (const refusal of refusals) {
    const why = whyNoRefusal(refusal);
    if (why !== undefined) throw new Error(`${type} cannot refuse with ${refusal}: ${why}.`);
  }
}

/** The operations of a participant, as a list. */
export const operationsOf = (definition: Participating): readonly AnyOperation[] =>
  Object.values<AnyOperation | EventDeclarations | string>({ ...definition }).filter(
    (one): one is AnyOperation => typeof one === 'object' && 'verb' in one,
  );

/** The participant of an activity, by its type. */
export const participantOf = (activity: string): string => activity.slice(0, activity.indexOf('.'));

/** The name that an activity is registered with, shown in the Temporal UI, in metrics and at fault points. */
export const activityTypeOf = (participant: string, activity: string): string =>
  `${participant}.${activity}`;
