import {
  operationsOf,
  type ActivitiesOf,
  type AnyOperation,
  type Operation,
  type OperationsOf,
  type Participating,
} from '../../contracts/engine/definition';
import type { Keyed, Verb, Verdict } from '../../contracts/engine/verdict';
import type { ActSpec, EventOf, Fence, FollowUpSpec, OutboxEvent } from './participant';

/**
 * The business of an act: everything that its definition does not have. `Event`: what it announces, `EventOf` of its
 * participant. Left out: nothing of its own.
 */
export type ActImplementation<
  Request extends object,
  Result,
  Event extends OutboxEvent = never,
> = Omit<
  ActSpec<Request & Keyed, Result, Event>,
  'activity' | 'announces' | 'reserves' | 'refusals' | 'refusalsAre' | 'amounts'
>;

/** The business of a confirm or an undo. */
export type FollowUpImplementation<Event extends OutboxEvent = never> = Omit<
  FollowUpSpec<Event>,
  'activity' | 'announces'
>;

type ImplementationOf<O, Event extends OutboxEvent> =
  O extends Operation<infer V, infer Request, infer Result>
    ? V extends 'act'
      ? ActImplementation<Request, Result, Event>
      : FollowUpImplementation<Event>
    : never;

type SealName<Operations> = {
  [Name in keyof Operations]: Operations[Name] extends { readonly verb: 'seal' } ? Name : never;
}[keyof Operations];

/** An implementation for each operation except the seals: the fence answers them by itself. */
export type ImplementationsOf<Definition extends Participating> = {
  readonly [
    Name in Exclude<keyof OperationsOf<Definition>, SealName<OperationsOf<Definition>>>
  ]: ImplementationOf<OperationsOf<Definition>[Name], EventOf<Definition>>;
};

/**
 * The activities of a participant, over the fence of its database.
 *
 * @param implementations the business of each operation: SQL that runs in the transaction of its fence row.
 */
export const implement =
  <Definition extends Participating>(
    definition: Definition,
    implementations: ImplementationsOf<Definition>,
  ) =>
  (fence: Fence): ActivitiesOf<Definition> => {
    const activities = operationsOf(definition).map((operation) => {
      const implementation = (implementations as Implementations)[operation.name];
      return [operation.name, activityOf(operation, implementation, fence)];
    });
    // The compiler cannot follow names through Object.entries. The type of the parameter links names and
    // implementations.
    return Object.fromEntries(activities) as ActivitiesOf<Definition>;
  };

type Implementations = Readonly<Record<string, AnyImplementation | undefined>>;
type AnyImplementation =
  ActImplementation<never, never, OutboxEvent> | FollowUpImplementation<OutboxEvent>;

function activityOf(
  operation: AnyOperation,
  implementation: AnyImplementation | undefined,
  fence: Fence,
): (requests: readonly Keyed[]) => Promise<readonly Verdict<unknown>[]> {
  const { type, verb, announces } = operation;
  if (verb === 'seal') return (requests) => fence.seal(type, requests);
  if (!implementation) throw new Error(`${type} has no implementation.`);
  if (verb === 'act') {
    if (!('content' in implementation)) throw new Error(`${type} is an act.`);
    const spec = actSpecOf(operation, implementation);
    return (requests) => fence.act(spec, requests);
  }
  if ('content' in implementation) throw new Error(`${type} is no act.`);
  const spec = { ...implementation, activity: type, announces };
  return (requests) => fence[verb](spec, requests);
}

/** An act in the form that the fence takes. */
export const actSpecOf = <Request extends object, Result, Event extends OutboxEvent>(
  { type, announces, reserves, refusals, refusalsAre, amounts }: Operation<Verb, Request, Result>,
  implementation: ActImplementation<Request, Result, Event>,
): ActSpec<Request & Keyed, Result, Event> => ({
  ...implementation,
  activity: type,
  announces,
  reserves,
  refusals,
  refusalsAre,
  amounts: (request) => amounts(request),
});
