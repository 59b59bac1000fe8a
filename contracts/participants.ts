import type { AccountsActivities } from './accounts';
import type { InventoryActivities } from './inventory';
import type { OrdersActivities } from './orders';
import type { RunsActivities } from './runs';
import type { Verb } from './verdict';

/** What each activity asks of the fence: a verdict is matched by it. A forgotten activity does not compile. */
export const activityVerbs = {
  inventory: { reserveStock: 'act', releaseStock: 'undo', confirmStock: 'confirm' },
  accounts: {
    holdFunds: 'act',
    releaseFunds: 'undo',
    captureFunds: 'act',
    sealBranch: 'seal',
  },
  orders: { createOrder: 'act', cancelOrder: 'undo', completeOrder: 'confirm' },
  accord: { decide: 'act', sealDecision: 'seal', moveRun: 'act', endRun: 'act' },
} as const satisfies {
  inventory: Record<keyof InventoryActivities, Verb>;
  accounts: Record<keyof AccountsActivities, Verb>;
  orders: Record<keyof OrdersActivities, Verb>;
  accord: Record<keyof RunsActivities, Verb>;
};

/** The name that an activity is registered with, shown in the Temporal UI, in metrics and at fault points. */
export const activityTypeOf = (participant: string, activity: string): string =>
  `${participant}.${activity}`;

/** Every activity of every participant. */
export const activityTypes: readonly string[] = Object.entries(activityVerbs).flatMap(
  ([participant, verbs]) =>
    Object.keys(verbs).map((activity) => activityTypeOf(participant, activity)),
);
