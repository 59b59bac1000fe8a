import type { Flow } from './ids';
import type { LockKind } from './locks';
import type { StepKind } from './transaction';

/** One step of a flow as it is planned: for the dry run, for `explain`, and for the rule of two persons. */
export interface PlannedStep {
  readonly name: string;
  readonly kind: StepKind;
  /** Activities of the step by what they are for; `confirms` names the step whose branch a finish confirms. */
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
  /** In the order of the business; undone last first. */
  readonly steps: readonly PlannedStep[];
}

const compensable = { kind: 'compensable', seal: null, confirms: null } as const;
const retriable = { kind: 'retriable', undo: null, seal: null, movesMoney: false } as const;

export const flowDefinitions: Readonly<Record<Flow, FlowDefinition>> = {
  order: {
    workflow: 'orderSaga',
    locks: ['customer'],
    steps: [
      {
        ...compensable,
        name: 'reserveStock',
        act: 'reserveStock',
        undo: 'releaseStock',
        movesMoney: false,
      },
      {
        ...compensable,
        name: 'holdFunds',
        act: 'holdFunds',
        undo: 'releaseFunds',
        movesMoney: true,
      },
      {
        ...compensable,
        name: 'createOrder',
        act: 'createOrder',
        undo: 'cancelOrder',
        movesMoney: false,
      },
      {
        name: 'captureFunds',
        kind: 'pivot',
        act: 'captureFunds',
        undo: null,
        seal: 'sealBranch',
        confirms: null,
        movesMoney: true,
      },
      { ...retriable, name: 'confirmStock', act: 'confirmStock', confirms: 'reserveStock' },
      { ...retriable, name: 'completeOrder', act: 'completeOrder', confirms: 'createOrder' },
    ],
  },
};
