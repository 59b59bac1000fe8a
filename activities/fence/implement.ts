import {
  operationsOf,
  type ActivitiesOf,
  type AnyOperation,
  type Operation,
  type OperationsOf,
  type Participating,
} from '../../contracts/engine/definition';
import type { Keyed, Verb, Verdict } from '../../contracts/engine/verdict';
import type { ActSpec, Fence, FollowUpSpec } from './participant';

/** The business of an act: everything that its definition does not have. */
export type ActImplementation<Request extends object, Result> = Omit<
  ActSpec<Request & Keyed, Result>,
  'activity' | 'reserves' | 'refusals' | 'refusalsAre' | 'amounts'
>;

/** The business of a confirm or an undo. */
export type FollowUpImplementation = Omit<FollowUpSpec, 'activity'>;

type ImplementationOf<O> =
  O extends Operation<infer V, infer Request, infer Result>
    ? V extends 'act'
      ? ActImplementation<Request, Result>
      : FollowUpImplementation
    : never;

type SealName<Operations> = {
  [Name in keyof Operations]: Operations[Name] extends { readonly verb: 'seal' } ? Name : never;
}[keyof Operations];

/** An implementation for each operation except the seals: the fence answers them by itself. */
export type ImplementationsOf<Definition extends Participating> = {
  readonly [
    Name in Exclude<keyof OperationsOf<Definition>, SealName<OperationsOf<Definition>>>
  ]: ImplementationOf<OperationsOf<Definition>[Name]>;
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
type AnyImplementation = ActImplementation<never, never> | FollowUpImplementation;

function activityOf(
  operation: AnyOperation,
  implementation: AnyImplementation | undefined,
  fence: Fence,
): (requests: readonly Keyed[]) => Promise<readonly Verdict<unknown>[]> {
  const { type, verb } = operation;
  if (verb === 'seal') return (requests) => fence.seal(type, requests);
  if (!implementation) throw new Error(`${type} has no implementation.`);
  if (verb === 'act') {
    if (!('content' in implementation)) throw new Error(`${type} is an act.`);
    const spec = actSpecOf(operation, implementation);
    return (requests) => fence.act(spec, requests);
  }
  if ('content' in implementation) throw new Error(`${type} is no act.`);
  const spec = { ...implementation, activity: type };
  return (requests) => fence[verb](spec, requests);
}

/** An act in the form that the fence takes. */
export const actSpecOf = <Request extends object, Result>(
  { type, reserves, refusals, refusalsAre, amounts }: Operation<Verb, Request, Result>,
  implementation: ActImplementation<Request, Result>,
): ActSpec<Request & Keyed, Result> => ({
  ...implementation,
  activity: type,
  reserves,
  refusals,
  refusalsAre,
  amounts: (request) => amounts(request),
});
