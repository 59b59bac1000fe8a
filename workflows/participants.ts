import type { CouponsActivities } from '../contracts/coupons';
import type { InventoryActivities } from '../contracts/inventory';
import type { OrdersActivities } from '../contracts/orders';
import { activityTypeOf, activityVerbs, operatorVerbs } from '../contracts/participants';
import type { AllAccountsActivities } from '../contracts/participants';
import type { RegionsActivities } from '../contracts/regions';
import type { RunsActivities } from '../contracts/runs';
import type { Keyed, SetActivity, Verb } from '../contracts/verdict';

/** Every activity of a participant as a call of one item; the kernel adds what the item needs on its way. */
type OneItem<Activities> = {
  readonly [Name in keyof Activities]: Activities[Name] extends SetActivity<
    infer Request,
    infer Result
  >
    ? (request: Omit<Request, 'minEpoch'>) => Promise<Result>
    : never;
};

/** The participants as a story calls them: one item at a time, a failure of the list is thrown. */
export interface Participants {
  readonly inventory: OneItem<InventoryActivities>;
  readonly accounts: OneItem<AllAccountsActivities>;
  readonly coupons: OneItem<CouponsActivities>;
  readonly orders: OneItem<OrdersActivities>;
  readonly accord: OneItem<RunsActivities>;
  readonly regions: OneItem<RegionsActivities>;
}

/** Sends one item to `<participant>.<activity>` and answers with its result. */
export type SendItem = (
  activity: string,
  verb: Verb,
  request: Omit<Keyed, 'minEpoch'>,
) => Promise<unknown>;

/** The one-item facade of all participants over one way of sending: the lanes differ in nothing else. */
export function createParticipants(send: SendItem): Participants {
  const facades = Object.entries({ ...activityVerbs, ...operatorVerbs }).map(
    ([participant, verbs]) => {
      const calls = Object.entries(verbs).map(([name, verb]) => [
        name,
        (request: Omit<Keyed, 'minEpoch'>) =>
          send(activityTypeOf(participant, name), verb, request),
      ]);
      return [participant, Object.fromEntries(calls)] as const;
    },
  );
  // The compiler cannot follow names through Object.entries; `satisfies` above holds both ends together.
  return Object.fromEntries(facades) as unknown as Participants;
}
