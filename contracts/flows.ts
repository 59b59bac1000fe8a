import type { Flow } from './ids';
import type { LockKind } from './locks';
import type { OperatorParticipant, Participant } from './participants';
import { decideBranch } from './runs';
import type { StepKind } from './transaction';

/** One step of a flow as it is planned: for the dry run, for `explain`, for repairs, and for the rule of two persons. */
export interface PlannedStep {
  /** The branch of its effect, unless it confirms another step's. */
  readonly name: string;
  readonly kind: StepKind;
  readonly participant: Participant | OperatorParticipant;
  /** Activities of the step by what they are for; `confirms` names the step whose branch a forward step confirms. */
  readonly act: string;
  readonly undo: string | null;
  readonly seal: string | null;
  readonly confirms: string | null;
  /** Skipping it by hand moves money, or leaves it where it is: never the decision of one person. */
  readonly movesMoney: boolean;
}

/** What everybody outside the workflow knows about a flow. */
export interface FlowDefinition {
  /** Workflow type, as registered with Temporal. */
  readonly workflow: string;
  readonly locks: readonly LockKind[];
  /** In the order of the business; undone last first. A flow without a pivot of its own is decided by `decide`. */
  readonly steps: readonly PlannedStep[];
}

type Place = Pick<PlannedStep, 'participant' | 'name' | 'act'>;
type Money = { readonly movesMoney?: true };

const compensable = ({ movesMoney, ...place }: Place & Money & { readonly undo: string }) =>
  ({
    ...place,
    kind: 'compensable',
    seal: null,
    confirms: null,
    movesMoney: movesMoney ?? false,
  }) as const;

const pivot = ({ movesMoney, ...place }: Place & Money & { readonly seal: string }) =>
  ({
    ...place,
    kind: 'pivot',
    undo: null,
    confirms: null,
    movesMoney: movesMoney ?? false,
  }) as const;

const retriable = ({ confirms = null, ...place }: Place & { readonly confirms?: string | null }) =>
  ({ ...place, kind: 'retriable', undo: null, seal: null, confirms, movesMoney: false }) as const;

/** A TCC participant: a step that is undone by its cancel, and a forward step that confirms it. */
const tcc = ({
  confirm,
  cancel,
  try: act,
  participant,
  name,
  movesMoney,
}: Pick<PlannedStep, 'participant' | 'name'> &
  Money & {
    readonly try: string;
    readonly confirm: string;
    readonly cancel: string;
  }) => ({
  tried: compensable({ participant, name, act, undo: cancel, ...(movesMoney && { movesMoney }) }),
  confirmed: {
    ...retriable({ participant, name: `${name}-confirm`, act: confirm, confirms: name }),
    movesMoney: movesMoney ?? false,
  },
});

/** The pivot of a flow, or of an order, that has none of its own. */
export const decideStep = pivot({
  participant: 'accord',
  name: decideBranch,
  act: 'decide',
  seal: 'sealDecision',
});

/** All tried, decided, all confirmed. */
const allTcc = (participants: readonly ReturnType<typeof tcc>[]): readonly PlannedStep[] => [
  ...participants.map(({ tried }) => tried),
  decideStep,
  ...participants.map(({ confirmed }) => confirmed),
];

const coupon = tcc({
  participant: 'coupons',
  name: 'coupon',
  try: 'reserveCoupon',
  confirm: 'useCoupon',
  cancel: 'releaseCoupon',
});

const capture = (name: string): PlannedStep =>
  pivot({
    participant: 'accounts',
    name,
    act: 'captureFunds',
    seal: 'sealBranch',
    movesMoney: true,
  });

export const flowDefinitions: Readonly<Record<Flow, FlowDefinition>> = {
  order: {
    workflow: 'orderSaga',
    locks: ['customer'],
    steps: [
      compensable({
        participant: 'inventory',
        name: 'reserveStock',
        act: 'reserveStock',
        undo: 'releaseStock',
      }),
      coupon.tried,
      compensable({
        participant: 'accounts',
        name: 'holdFunds',
        act: 'holdFunds',
        undo: 'releaseFunds',
        movesMoney: true,
      }),
      compensable({
        participant: 'orders',
        name: 'createOrder',
        act: 'createOrder',
        undo: 'cancelOrder',
      }),
      capture('captureFunds'),
      retriable({
        participant: 'inventory',
        name: 'confirmStock',
        act: 'confirmStock',
        confirms: 'reserveStock',
      }),
      retriable({
        participant: 'orders',
        name: 'completeOrder',
        act: 'completeOrder',
        confirms: 'createOrder',
      }),
      coupon.confirmed,
    ],
  },
  checkout: {
    workflow: 'checkout',
    locks: [],
    steps: allTcc([
      tcc({
        participant: 'inventory',
        name: 'stock',
        try: 'reserveStock',
        confirm: 'confirmStock',
        cancel: 'releaseStock',
      }),
      tcc({
        participant: 'accounts',
        name: 'funds',
        try: 'reserveDebit',
        confirm: 'confirmDebit',
        cancel: 'releaseFunds',
        movesMoney: true,
      }),
      coupon,
      tcc({
        participant: 'orders',
        name: 'order',
        try: 'createOrder',
        confirm: 'completeOrder',
        cancel: 'cancelOrder',
      }),
    ]),
  },
  transfer: {
    workflow: 'transfer',
    locks: [],
    steps: allTcc([
      tcc({
        participant: 'accounts',
        name: 'debit',
        try: 'reserveDebit',
        confirm: 'confirmDebit',
        cancel: 'releaseFunds',
        movesMoney: true,
      }),
      tcc({
        participant: 'accounts',
        name: 'credit',
        try: 'reserveCredit',
        confirm: 'confirmCredit',
        cancel: 'cancelCredit',
        movesMoney: true,
      }),
    ]),
  },
  payment: {
    workflow: 'payment',
    locks: [],
    steps: [
      compensable({
        participant: 'accounts',
        name: 'openPayment',
        act: 'openPayment',
        undo: 'closePayment',
      }),
      compensable({
        participant: 'accounts',
        name: 'assessRisk',
        act: 'assessRisk',
        undo: 'clearRisk',
      }),
      compensable({
        participant: 'accounts',
        name: 'review',
        act: 'recordReview',
        undo: 'withdrawReview',
      }),
      compensable({
        participant: 'accounts',
        name: 'authorise',
        act: 'authorisePayment',
        undo: 'voidAuthorisation',
        movesMoney: true,
      }),
      capture('transferFunds'),
      retriable({ participant: 'accounts', name: 'completePayment', act: 'completePayment' }),
    ],
  },
  refund: {
    workflow: 'refund',
    locks: [],
    steps: [
      compensable({
        participant: 'accounts',
        name: 'reserveRefund',
        act: 'reserveRefund',
        undo: 'cancelRefund',
        movesMoney: true,
      }),
      compensable({
        participant: 'accounts',
        name: 'review',
        act: 'recordRefundReview',
        undo: 'withdrawRefundReview',
      }),
      capture('returnFunds'),
      retriable({ participant: 'accounts', name: 'completeRefund', act: 'completeRefund' }),
    ],
  },
  settlement: {
    workflow: 'settlement',
    locks: [],
    steps: [
      pivot({
        participant: 'accounts',
        name: 'openSettlement',
        act: 'openSettlement',
        seal: 'sealBranch',
      }),
      retriable({ participant: 'accounts', name: 'claim-1', act: 'claimSettlementPage' }),
      retriable({ participant: 'accounts', name: 'closeSettlement', act: 'closeSettlement' }),
    ],
  },
  failover: {
    workflow: 'regionFailover',
    locks: [],
    steps: [
      ofRegions('beginSwitch', 'abortSwitch'),
      ofRegions('closeRoutes', 'reopenRoutes'),
      ofRegions('fenceRegion', 'unfenceRegion'),
      ofRegions('drainRegion', 'followAgain'),
      ofRegions('measureLoss', null),
      ofRegions('burnEpoch', null),
      { ...ofRegions('promoteRegion', null), kind: 'pivot', seal: 'sealSwitch' },
      ...['promoteRedis', 'openRoutes', 'republish', 'endSwitch'].map((name) =>
        retriable({ participant: 'regions', name, act: name }),
      ),
    ],
  },
  failback: {
    workflow: 'regionFailback',
    locks: [],
    steps: [
      { ...ofRegions('beginRejoin', null), kind: 'pivot', seal: 'sealRejoin' },
      ...['exportErrant', 'rebuildRegion', 'followActive', 'acknowledge'].map((name) =>
        retriable({ participant: 'regions', name, act: name }),
      ),
    ],
  },
};

/** A step of a switch: its branch and its activity bear one name. */
function ofRegions(name: string, undo: string | null): PlannedStep {
  const step = {
    participant: 'regions',
    name,
    act: name,
    undo,
    seal: null,
    confirms: null,
  } as const;
  return { ...step, kind: 'compensable', movesMoney: false };
}
