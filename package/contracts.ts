/**
 * `accord/contracts`: what participants, flows and an application are, and the words that they share. Pure: a workflow,
 * an activity and a test may import it.
 */
export { defineApplication, type Application } from '../contracts/engine/application';
export {
  act,
  confirm,
  defineParticipant,
  retriableAct,
  seal,
  undo,
  type ActivitiesOf,
  type Operation,
  type OperationTraits,
} from '../contracts/engine/definition';
export { event, type EventDeclaration } from '../contracts/engine/events';
export type { Refusal } from '../contracts/engine/failures';
export {
  businessIdOf,
  gidOf,
  partsOfBusinessId,
  partsOfGid,
  partsOfStepKey,
  stepKeyOf,
  type Branch,
  type BusinessId,
  type Flow,
  type Gid,
  type StepKey,
  type Tenant,
} from '../contracts/engine/ids';
export {
  amountText,
  heldAmount,
  isCurrency,
  isFree,
  minorUnitsMax,
  moneyText,
  type AmountAtRisk,
  type Currency,
  type Money,
} from '../contracts/engine/money';
export {
  businessId,
  currency,
  digits,
  fields,
  gid,
  instant,
  listOf,
  money,
  nullable,
  oneOf,
  optional,
  stepKey,
  text,
  whole,
  type Schema,
} from '../contracts/engine/schema';
export { defineFlow, type FlowDefinition } from '../contracts/engine/flow-definition';
export {
  compensable,
  confirms,
  counted,
  pivot,
  repeated,
  retired,
  retriable,
  reviewed,
  tcc,
  withoutUndo,
  type Step,
} from '../contracts/engine/steps';
export { transactionsTaskQueue } from '../contracts/engine/task-queues';
export type {
  Ending,
  RunState,
  Timeline,
  TransactionInput,
  TransactionResult,
} from '../contracts/engine/transaction';
export type { Keyed, SealAnswer, Verdict } from '../contracts/engine/verdict';
