/** Business refusals: the step left nothing behind and its refusal is recorded in the fence. They lead to undo. */
export const refusals = [
  'OutOfStock',
  'InsufficientFunds',
  'AccountUnavailable',
  'PaymentUnavailable',
  'CouponUnusable',
  'RiskRejected',
  'ReviewRejected',
  'LimitExceeded',
  'ParticipantRefused',
] as const;
export type Refusal = (typeof refusals)[number];

/** Failures of the protocol between kernel and fence; what each leads to: docs/guarantees.md. */
export const protocolFailures = [
  'Fenced',
  'LockLost',
  'IdempotencyConflict',
  'InvariantBroken',
  'PostconditionFailed',
] as const;

/** Come again: nothing is wrong with the transaction. Retried, never shown as an ending. */
export const comeAgainFailures = ['StaleEpoch', 'StaleAttempt', 'LockHeld', 'NotYet'] as const;

/** Reasons that the kernel itself gives. */
export const kernelFailures = [
  'Cancelled',
  'DeadlineExceeded',
  'ReviewExpired',
  'StepExhausted',
  /** Of a completed transaction: a person has answered for a step of it. */
  'ResolvedByHand',
] as const;

/** Answers of the validators of the messages in `transaction.ts`. */
export const messageFailures = [
  'PastPivot',
  'AlreadyEnded',
  'NotParked',
  'NotStuck',
  'BadDecision',
  'NotInReview',
  'StateChanged',
] as const;

/** The closed list: every type that an `ApplicationFailure` of ours may bear. */
export const failureTypes = [
  ...refusals,
  ...protocolFailures,
  ...comeAgainFailures,
  ...kernelFailures,
  ...messageFailures,
] as const;
export type FailureType = (typeof failureTypes)[number];

/** What a verdict may carry: a refusal, or a failure of the protocol. */
export type VerdictFailure = Refusal | (typeof protocolFailures)[number];

/** What a verdict on one item may carry: a failure, or that the same request may be granted later. */
export type ItemFailure = VerdictFailure | 'NotYet';

/** Why a transaction was compensated. */
export type CompensationReason = VerdictFailure | (typeof kernelFailures)[number];

/** Why a transaction is parked. */
export const parkReasons = [
  'undo_failed',
  'finish_failed',
  'forward_failed',
  'invariant_broken',
  'pivot_unknown',
  'operator',
] as const;
export type ParkReason = (typeof parkReasons)[number];

const isIn = <T extends string>(list: readonly T[], type: unknown): type is T =>
  (list as readonly unknown[]).includes(type);

export const isFailureType = (type: unknown): type is FailureType => isIn(failureTypes, type);
export const isRefusal = (type: unknown): type is Refusal => isIn(refusals, type);
export const isVerdictFailure = (type: unknown): type is VerdictFailure =>
  isIn(refusals, type) || isIn(protocolFailures, type);

/** The code that HTTP shows for a failure type: `OutOfStock` is `out_of_stock`. */
export const codeOfFailure = (type: FailureType): string =>
  type.replace(/[A-Z]/g, (letter, at: number) => `${at === 0 ? '' : '_'}${letter.toLowerCase()}`);

/** Deepest cause chain that is walked: an error that causes itself must not hang a workflow task. */
const causeDepthMax = 8;

/**
 * The failure type that an error carries, looked for along its causes (Temporal wraps an activity's failure in an
 * `ActivityFailure`, a timeout once more). By `type`, never by class or message: classes differ across bundles.
 *
 * @returns a type from the list, or `undefined`: the outcome is unknown.
 */
export function failureTypeOf(error: unknown): FailureType | undefined {
  let current: unknown = error;
  for (let depth = 0; depth < causeDepthMax; depth += 1) {
    if (typeof current !== 'object' || current === null) return undefined;
    if ('type' in current && isFailureType(current.type)) return current.type;
    current = 'cause' in current ? current.cause : undefined;
  }
  return undefined;
}
