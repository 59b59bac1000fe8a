import type { AccountsActivities } from './accounts';
import type { CouponsActivities } from './coupons';
import type { InventoryActivities } from './inventory';
import type { OrdersActivities } from './orders';
import type { PaymentsActivities } from './payments';
import type { RegionsActivities } from './regions';
import type { RunsActivities } from './runs';
import type { SettlementsActivities } from './settlements';
import type { Verb } from './verdict';

/** All that is done in the database `accounts`. */
export type AllAccountsActivities = AccountsActivities & PaymentsActivities & SettlementsActivities;

/** What each activity asks of the fence: a verdict is matched by it. A forgotten activity does not compile. */
export const activityVerbs = {
  inventory: { reserveStock: 'act', releaseStock: 'undo', confirmStock: 'confirm' },
  accounts: {
    holdFunds: 'act',
    releaseFunds: 'undo',
    captureFunds: 'act',
    reserveDebit: 'act',
    confirmDebit: 'confirm',
    reserveCredit: 'act',
    confirmCredit: 'confirm',
    cancelCredit: 'undo',
    openPayment: 'act',
    closePayment: 'undo',
    assessRisk: 'act',
    clearRisk: 'undo',
    recordReview: 'act',
    withdrawReview: 'undo',
    authorisePayment: 'act',
    voidAuthorisation: 'undo',
    completePayment: 'act',
    reserveRefund: 'act',
    cancelRefund: 'undo',
    recordRefundReview: 'act',
    withdrawRefundReview: 'undo',
    completeRefund: 'act',
    openSettlement: 'act',
    claimSettlementPage: 'act',
    closeSettlement: 'act',
    sealBranch: 'seal',
  },
  coupons: { reserveCoupon: 'act', releaseCoupon: 'undo', useCoupon: 'confirm' },
  orders: { createOrder: 'act', cancelOrder: 'undo', completeOrder: 'confirm' },
  accord: { decide: 'act', sealDecision: 'seal', moveRun: 'act', endRun: 'act' },
} as const satisfies {
  inventory: Record<keyof InventoryActivities, Verb>;
  accounts: Record<keyof AllAccountsActivities, Verb>;
  coupons: Record<keyof CouponsActivities, Verb>;
  orders: Record<keyof OrdersActivities, Verb>;
  accord: Record<keyof RunsActivities, Verb>;
};

export type Participant = keyof typeof activityVerbs;

/** What operators' transactions call: no database of a business, and no fence in it. */
export const operatorVerbs = {
  regions: {
    beginSwitch: 'act',
    sealSwitch: 'seal',
    abortSwitch: 'undo',
    closeRoutes: 'act',
    reopenRoutes: 'undo',
    fenceRegion: 'act',
    unfenceRegion: 'undo',
    drainRegion: 'act',
    followAgain: 'undo',
    measureLoss: 'act',
    burnEpoch: 'act',
    promoteRegion: 'act',
    promoteRedis: 'act',
    republish: 'act',
    openRoutes: 'act',
    endSwitch: 'act',
    beginRejoin: 'act',
    sealRejoin: 'seal',
    exportErrant: 'act',
    rebuildRegion: 'act',
    followActive: 'act',
    acknowledge: 'act',
  },
} as const satisfies { regions: Record<keyof RegionsActivities, Verb> };
export type OperatorParticipant = keyof typeof operatorVerbs;

/** The name that an activity is registered with, shown in the Temporal UI, in metrics and at fault points. */
export const activityTypeOf = (participant: string, activity: string): string =>
  `${participant}.${activity}`;

/** Every activity of every participant, the operators' among them. */
export const activityTypes: readonly string[] = Object.entries({
  ...activityVerbs,
  ...operatorVerbs,
}).flatMap(([participant, verbs]) =>
  Object.keys(verbs).map((activity) => activityTypeOf(participant, activity)),
);
