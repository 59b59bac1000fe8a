/**
 * A business "no", such as `OutOfStock`. The step left nothing behind, and the fence keeps the refusal. It leads to
 * undo. The list is open: a name is a refusal only where its operation declares it (contracts/engine/definition.ts).
 */
export type Refusal = string & Record<never, never>; // Not `string`: a union with this type keeps the known names.

/** Failures of the protocol between kernel and fence; what each leads to: docs/guarantees.md. */
export const protocolFailures = [
  'Fenced',
  'LockLost',
  'IdempotencyConflict',
  'InvariantBroken',
  'PostconditionFailed',
] as const;

/** Nothing is wrong with the transaction: the call is retried. Never the reason of an ending. */
export const comeAgainFailures = ['StaleEpoch', 'StaleAttempt', 'LockHeld', 'NotYet'] as const;

/** Reasons that the kernel itself gives. */
export const kernelFailures = [
  'Cancelled',
  'DeadlineExceeded',
  'ReviewExpired',
  'StepExhausted',
  /** The transaction is completed, and a person resolved one of its steps by hand. */
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
  'NotInBatch',
] as const;

/** All names of the engine's own failures. No refusal may have one of these names. */
export const failureTypes = [
  ...protocolFailures,
  ...comeAgainFailures,
  ...kernelFailures,
  ...messageFailures,
] as const;
export type FailureType = (typeof failureTypes)[number];

export type ProtocolFailure = (typeof protocolFailures)[number];

/** What a verdict may carry: a refusal, or a failure of the protocol. */
export type VerdictFailure = Refusal | ProtocolFailure;

/** The failure in the verdict on one item. `NotYet`: the same request may be granted later. */
export type ItemFailure = VerdictFailure | 'NotYet';

/** Why a transaction was compensated. */
export type CompensationReason = VerdictFailure | (typeof kernelFailures)[number];

/** Names of the engine that may be the reason of an ending. */
export const engineReasons = [...protocolFailures, ...kernelFailures] as const;

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
export const isProtocolFailure = (type: unknown): type is ProtocolFailure =>
  isIn(protocolFailures, type);

/** The code that HTTP shows for a failure: `OutOfStock` is `out_of_stock`. */
export const codeOfFailure = (type: string): string =>
  type.replace(/[A-Z]/g, (letter, at: number) => `${at === 0 ? '' : '_'}${letter.toLowerCase()}`);

/** Maximum depth of a cause chain. An error that causes itself must not hang a workflow task. */
const causeDepthMax = 8;

/**
 * Finds the engine's failure in an error or its causes. Temporal wraps an activity's failure in an `ActivityFailure`,
 * and a timeout once more. The match is by `type`, never by class or message: classes differ across bundles.
 *
 * @returns a type from the list, or `undefined`: a refusal (workflows/kernel/step-failure.ts), or the outcome is
 *   unknown.
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

/** Longest code of a refusal: it must fit into the row of its transaction. */
const refusalCodeMax = 64;
const refusalPattern = /^[A-Z][A-Za-z0-9]*$/;

/**
 * Why a name cannot be a refusal: it is malformed, its code is too long, or the engine uses it for a failure or a
 * reason to park.
 *
 * @returns undefined: the name can be a refusal.
 */
export function whyNoRefusal(name: string): string | undefined {
  if (!refusalPattern.test(name)) return 'it must be letters and digits that begin with a capital';
  const code = codeOfFailure(name);
  if (code.length > refusalCodeMax) return `its code ${code} has over ${refusalCodeMax} letters`;
  if (isFailureType(name) || code === 'unknown')
    return 'the engine gives this name to a failure of its own';
  return isIn(parkReasons, code) ? 'its code is a reason to park' : undefined;
}
