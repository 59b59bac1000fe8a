import type { AccountsActivities } from '../contracts/accounts';
import type { InventoryActivities } from '../contracts/inventory';
import type { OrdersActivities } from '../contracts/orders';
import type { RunsActivities } from '../contracts/runs';
import type { Keyed, SetActivity, Verb } from '../contracts/verdict';

/** What each activity asks of the fence: a verdict is matched by it. A forgotten activity does not compile. */
const verbsOf = {
  inventory: { reserveStock: 'act', releaseStock: 'undo', confirmStock: 'confirm' },
  accounts: {
    holdFunds: 'act',
    releaseFunds: 'undo',
    captureFunds: 'act',
    sealBranch: 'seal',
  },
  orders: { createOrder: 'act', cancelOrder: 'undo', completeOrder: 'confirm' },
  runs: { decide: 'act', sealDecision: 'seal', moveRun: 'act', endRun: 'act' },
} as const satisfies {
  inventory: Record<keyof InventoryActivities, Verb>;
  accounts: Record<keyof AccountsActivities, Verb>;
  orders: Record<keyof OrdersActivities, Verb>;
  runs: Record<keyof RunsActivities, Verb>;
};

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
  readonly accounts: OneItem<AccountsActivities>;
  readonly orders: OneItem<OrdersActivities>;
  readonly runs: OneItem<RunsActivities>;
}

/** Sends one item to `<participant>.<activity>` and answers with its result. */
export type SendItem = (
  activity: string,
  verb: Verb,
  request: Omit<Keyed, 'minEpoch'>,
) => Promise<unknown>;

/** The one-item facade of all participants over one way of sending: the lanes differ in nothing else. */
export function createParticipants(send: SendItem): Participants {
  const facades = Object.entries(verbsOf).map(([participant, verbs]) => {
    const calls = Object.entries(verbs).map(([name, verb]) => [
      name,
      (request: Omit<Keyed, 'minEpoch'>) => send(`${participant}.${name}`, verb, request),
    ]);
    return [participant, Object.fromEntries(calls)] as const;
  });
  // The compiler cannot follow names through Object.entries; `satisfies` above holds both ends together.
  return Object.fromEntries(facades) as unknown as Participants;
}
