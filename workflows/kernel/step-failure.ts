import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';

import type { AnyOperation } from '../../contracts/engine/definition';
import {
  failureTypeOf,
  isFailureType,
  isProtocolFailure,
  type FailureType,
  type ItemFailure,
  type ProtocolFailure,
  type Refusal,
} from '../../contracts/engine/failures';
import { notTried, type AttemptFailure, type Verdict } from '../../contracts/engine/verdict';
import type { StepFailure } from './run';

/** Maximum length of a sentence or a text: both are stored in Temporal and in the row. */
const lengthMax = 300;
/** Maximum depth of a cause chain. */
const depthMax = 8;

/** Details of an error beside its type and its sentence. */
interface Told {
  /** Activity type of the operation that declares the refusal. Present: the error is a refusal. */
  readonly refusedBy?: string;
  /** Branch that has refused. */
  readonly branch?: string;
  /** For operators only. */
  readonly text?: string;
}

/**
 * The error that a flow gets for a refusal or failure in a verdict. It is marked as a refusal if the operation declares
 * it. Any other name outside of the protocol becomes InvariantBroken: an unknown name must not lead to undo.
 */
export function failureOfVerdict(
  { type: activity, refusals }: Pick<AnyOperation, 'type' | 'refusals'>,
  { branch, failure, detail, text }: Pick<FailedVerdict, 'branch' | 'failure' | 'detail' | 'text'>,
): ApplicationFailure {
  const told: Told = text === undefined ? {} : { text };
  if (refusals.includes(failure))
    return failureAs(failure, detail, { ...told, refusedBy: activity, branch });
  if (failure === 'NotYet' || isProtocolFailure(failure)) return failureAs(failure, detail, told);
  const undeclared = `${activity} refused with ${failure}, which it does not declare.`;
  return failureAs('InvariantBroken', undeclared, { text: detail, ...told });
}

type FailedVerdict = Extract<Verdict<unknown>, { readonly ok: false }>;

const failureAs = (type: ItemFailure, sentence: string, told: Told): ApplicationFailure =>
  ApplicationFailure.nonRetryable(sentence, type, told);

/**
 * Finds the refusal in an error or its causes. The mark of its operation makes it a refusal, never its name. The search
 * stops at the failure of an activity: participants refuse only by a verdict.
 */
export function refusalOf(error: unknown): Refusal | undefined {
  const refused = causesAboveActivity(error).find((cause) => refusalIn(cause) !== undefined);
  return refused && refusalIn(refused);
}

/** The branch that has refused. */
export function refusedBranchOf(error: unknown): string | undefined {
  const refused = causesAboveActivity(error).find((cause) => refusalIn(cause) !== undefined);
  return refused instanceof ApplicationFailure ? toldIn(refused.details).branch : undefined;
}

function refusalIn(cause: Error): Refusal | undefined {
  if (!(cause instanceof ApplicationFailure)) return undefined;
  return toldIn(cause.details).refusedBy === undefined ? undefined : (cause.type ?? undefined);
}

/** Refusal, or failure of the engine, that ended an act; `undefined`: the outcome is unknown. */
export const knownFailureOf = (error: unknown): Refusal | FailureType | undefined =>
  refusalOf(error) ?? failureTypeOf(error);

/** The refusal, or failure of the protocol, of a verdict. */
export function verdictFailureOf(error: unknown): Refusal | ProtocolFailure | undefined {
  const type = failureTypeOf(error);
  return refusalOf(error) ?? (isProtocolFailure(type) ? type : undefined);
}

/**
 * The failure in the form that a step keeps. A refusal, or a failure of the engine, has Accord's own sentence, which
 * everybody may read. Any other text, of a driver or a server, is for operators only.
 */
export function failureOf(error: unknown): StepFailure {
  return {
    type: verdictFailureOf(error) ?? 'unknown',
    detail: sentenceOf(error),
    text: textOf(error),
  };
}

/** The failure of a local attempt, as an activity tells it of the attempt before it. */
export function attemptFailureOf(error: unknown): AttemptFailure {
  const text = causesOf(error).findLast(({ message }) => message !== '')?.message ?? '';
  return {
    type: failureTypeOf(error) ?? 'unknown',
    ...(text !== '' && { text: text.slice(0, lengthMax) }),
  };
}

/** The sentence about a failure that everybody may read. */
export function sentenceOf(error: unknown): string {
  const own = ownCauseOf(error);
  return own
    ? own.message.slice(0, lengthMax)
    : 'It is not known whether it took effect: no answer came.';
}

/** The innermost message, if it is not the sentence itself. */
function textOf(error: unknown): string | null {
  const own = ownCauseOf(error);
  const told = own instanceof ApplicationFailure ? toldIn(own.details).text : undefined;
  if (told !== undefined) return told.slice(0, lengthMax);
  const innermost = causesOf(error).findLast(({ message }) => message !== '');
  return !innermost || innermost === own ? null : innermost.message.slice(0, lengthMax);
}

/** The cause with Accord's own sentence. An error that an activity throws is never one, whatever its name. */
const ownCauseOf = (error: unknown): Error | undefined =>
  causesAboveActivity(error).find(
    (cause) => refusalIn(cause) !== undefined || ('type' in cause && isFailureType(cause.type)),
  );

function toldIn(details: readonly unknown[] | null | undefined): Told {
  const [first] = details ?? [];
  return typeof first === 'object' && first !== null ? first : {};
}

/** Whether Temporal would not try it again: what the activity itself has thrown says so. */
export const isFinal = (error: unknown): boolean => thrownIn(error)?.nonRetryable === true;

/** Whether the worker has not even tried a local call. */
export const wasNotTried = (error: unknown): boolean => thrownIn(error)?.type === notTried;

const thrownIn = (error: unknown): ApplicationFailure | undefined =>
  causesOf(error).find((cause) => cause instanceof ApplicationFailure);

/**
 * The failure of a local activity, in the form of a remote one. Its own form differs: live it is the failure itself, and
 * in replay it has the wrapper of an activity.
 */
export function failedCall({ activity }: { readonly activity: string }, error: unknown): Error {
  const cause = thrownIn(error);
  return new ActivityFailure(
    'Activity task failed',
    activity,
    undefined,
    'NON_RETRYABLE_FAILURE',
    undefined,
    cause,
  );
}

function causesAboveActivity(error: unknown): readonly Error[] {
  const causes = causesOf(error);
  const activity = causes.findIndex((cause) => cause instanceof ActivityFailure);
  return activity < 0 ? causes : causes.slice(0, activity);
}

function causesOf(error: unknown): readonly Error[] {
  const causes: Error[] = [];
  let current = error;
  while (current instanceof Error && causes.length < depthMax) {
    causes.push(current);
    current = current.cause;
  }
  return causes;
}
