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
import type { Verdict } from '../../contracts/engine/verdict';
import type { StepFailure } from './run';

/** Letters of a sentence or a text, at most: both travel through Temporal and into the row. */
const lengthMax = 300;
/** Deepest cause that is looked at. */
const depthMax = 8;

/** What an error tells beside its type and its sentence. */
interface Told {
  /** Activity type of the operation that declares it: the error is its refusal. */
  readonly refusedBy?: string;
  /** Branch that has refused. */
  readonly branch?: string;
  /** For operators alone. */
  readonly text?: string;
}

/**
 * A verdict's "no", as a flow meets it. It is a refusal where its operation declares it, and is marked so. Any other
 * name that the protocol does not know is InvariantBroken: nobody may undo on its word.
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
 * The refusal that an error carries, looked for along its causes. It is one because its operation declares it, never by
 * its name. Not below an activity's failure: participants refuse by a verdict, and whatever else an activity says is its
 * own word.
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

/** Refusal, or failure of the engine, by which an act ended; `undefined`: the outcome is unknown. */
export const knownFailureOf = (error: unknown): Refusal | FailureType | undefined =>
  refusalOf(error) ?? failureTypeOf(error);

/** What a verdict said: a refusal, or a failure of the protocol. */
export function verdictFailureOf(error: unknown): Refusal | ProtocolFailure | undefined {
  const type = failureTypeOf(error);
  return refusalOf(error) ?? (isProtocolFailure(type) ? type : undefined);
}

/**
 * What a step keeps of a failure. A refusal, or a failure of the engine, says what is the matter in a sentence of ours,
 * which everybody may read; whatever else was said, by a driver or a server, is for operators alone.
 */
export function failureOf(error: unknown): StepFailure {
  return {
    type: verdictFailureOf(error) ?? 'unknown',
    detail: sentenceOf(error),
    text: textOf(error),
  };
}

/** What everybody may read of a failure. */
export function sentenceOf(error: unknown): string {
  const own = ownCauseOf(error);
  return own
    ? own.message.slice(0, lengthMax)
    : 'It is not known whether it took effect: no answer came.';
}

/** The innermost message, where it is not the sentence itself. */
function textOf(error: unknown): string | null {
  const own = ownCauseOf(error);
  const told = own instanceof ApplicationFailure ? toldIn(own.details).text : undefined;
  if (told !== undefined) return told.slice(0, lengthMax);
  const innermost = causesOf(error).findLast(({ message }) => message !== '');
  return !innermost || innermost === own ? null : innermost.message.slice(0, lengthMax);
}

/** Whose sentence is ours. What an activity throws is its own word, under whatever name. */
const ownCauseOf = (error: unknown): Error | undefined =>
  causesAboveActivity(error).find(
    (cause) => refusalIn(cause) !== undefined || ('type' in cause && isFailureType(cause.type)),
  );

function toldIn(details: readonly unknown[] | null | undefined): Told {
  const [first] = details ?? [];
  return typeof first === 'object' && first !== null ? first : {};
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
