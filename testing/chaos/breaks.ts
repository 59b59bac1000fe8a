/**
 * Planted bugs: each is a broken twin of one shipped module, `testing/chaos/breaks/<name>.ts`, that a drill brings in
 * (broken-build.ts). A checker that stays green over one proves nothing.
 */
import type { FaultName } from './faults';

export interface Break {
  /** The shipped module that the twin takes the place of. */
  readonly target: string;
  /** What is wrong with the twin, as the promise would have to be told with it. */
  readonly sentence: string;
  /**
   * Who turns red, the surest one first: an oracle or invariant (docs/proof.md), a checker of the history, or a test.
   */
  readonly caughtBy: readonly string[];
  /** FAULTS of the workers without which the twin behaves like the module. */
  readonly faults?: string;
  /** External faults that make the bug visible. They are always injected. */
  readonly strikes?: readonly FaultName[];
}

const table = {
  'fence-off': {
    target: 'activities/fence/rows',
    sentence: 'act and undo look first and write later: what comes in between is overwritten',
    caughtBy: ['fence transitions', 'C2', 'B3', 'B10'],
  },
  'token-reused': {
    target: 'activities/fence/session',
    sentence: 'a delivery that comes again takes itself for the first',
    caughtBy: ['fence transitions', 'F', 'J'],
    faults: 'accounts.captureFunds:before:dup:p=0.3;orders.createOrder:before:dup:p=0.3',
  },
  'double-effect': {
    target: 'activities/accounts/money-rows',
    sentence: 'every amount is moved twice',
    caughtBy: ['X4', 'P3'],
  },
  'one-leg': {
    target: 'activities/accounts/money-rows',
    sentence: "the payee's leg is not booked",
    caughtBy: ['B', 'C', 'P3', 'S', 'X4'],
  },
  'stock-drift': {
    target: 'activities/inventory/stock-store',
    sentence: 'one piece less is sold than was frozen',
    caughtBy: ['D'],
  },
  'outbox-outside': {
    target: 'activities/fence/outbox',
    sentence: 'the events of one effect in twenty are not written with it',
    caughtBy: ['F'],
  },
  'forget-confirm': {
    target: 'workflows/kernel/execution',
    sentence: 'a transaction ends as completed, and its participants have only tried',
    caughtBy: ['X2', 'X4'],
  },
  torn: {
    target: 'workflows/kernel/execution',
    sentence: 'a transaction ends as completed, and one of its participants has only tried',
    caughtBy: ['X2'],
  },
  'empty-undo-fails': {
    target: 'activities/fence/follow-up',
    sentence: 'an undo of what was never done is refused',
    caughtBy: ['I7'],
    faults: 'orders.createOrder:before:throw-fatal:p=0.3',
  },
  'late-act-ok': {
    target: 'activities/fence/act',
    sentence: 'an act that comes after its undo is told that it was done',
    caughtBy: ['B2'],
  },
  'undo-in-cancelled-scope': {
    target: 'workflows/kernel/undo',
    sentence: 'a cancel reaches the undo',
    caughtBy: ['I7'],
  },
  'undo-order': {
    target: 'workflows/kernel/undo',
    sentence: 'the first step is undone first',
    caughtBy: ['I21'],
  },
  'swallow-undo-error': {
    target: 'workflows/kernel/undo',
    sentence: 'an undo that failed is given up, and the transaction ends',
    caughtBy: ['X2'],
  },
  'key-with-attempt': {
    target: 'activities/fence/fence',
    sentence: 'each attempt acts under a key of its own',
    caughtBy: ['X2'],
    faults:
      'inventory.reserveStock:afterCommit:throw-retryable:p=0.2;accounts.holdFunds:afterCommit:throw-retryable:p=0.2',
  },
  'undo-without-seal': {
    target: 'workflows/kernel/coordinator',
    sentence: 'a decision that nobody has asked about is undone',
    caughtBy: ['I7'],
    faults: 'accounts.captureFunds:afterCommit:hang:of=unheard',
  },
  'ending-overwritten': {
    target: 'activities/runs/runs-store',
    sentence: 'an ending is written over the one that stands',
    caughtBy: ['one ending'],
    faults: 'accord.endRun:afterCommit:throw-retryable:p=0.3',
  },
  'undo-attempts-limited': {
    target: 'workflows/kernel/retry-until-done',
    sentence: 'an outage of three seconds parks what is being undone',
    caughtBy: ['I7'],
    faults: 'inventory.releaseStock:before:throw-retryable:1-9',
  },
  'recover-off': {
    target: 'activities/reconciliation/open-runs',
    sentence: 'a run whose workflow is gone is found by nobody',
    caughtBy: ['I7', 'X7'],
  },
  'sweep-acted': {
    target: 'activities/retention/retention-store',
    sentence: 'rows of open transactions and of reservations are forgotten',
    caughtBy: ['B13', 'fence transitions', 'F', 'J'],
  },
  'lock-unfenced': {
    target: 'activities/orders/customer-tokens',
    sentence: 'who has lost the lock of a customer writes all the same',
    caughtBy: ['lock'],
    faults: 'orders.createOrder:before:delay=4000:of=lease-1',
  },
  'epoch-unchecked': {
    target: 'activities/fence/epoch',
    sentence: 'a write lands in an epoch that is not its own',
    caughtBy: ['H'],
    strikes: ['promotion'],
  },
  'consumer-no-dedupe': {
    target: 'workers/consumers/order-view/store',
    sentence: 'what was consumed is neither looked at nor noted',
    caughtBy: ['X3'],
  },
  'relay-marks-before-ack': {
    target: 'workers/relay/relay',
    sentence: 'an event is marked as published before Kafka has it',
    caughtBy: ['X3'],
    strikes: ['kill-relay'],
  },
} as const satisfies Readonly<Record<string, Break>>;

export type BreakName = keyof typeof table;
export const breaks: Readonly<Record<BreakName, Break>> = table;

export const breakNames = Object.keys(table) as readonly BreakName[]; // The keys of the table, and no others.

/** Path from the checkout, without its ending. */
export const twinOf = (name: BreakName): string => `testing/chaos/breaks/${name}`;
