import { ApplicationFailure } from '@temporalio/workflow';

import { failureTypeOf, isFailureType, isVerdictFailure } from '../../contracts/failures';
import type { StepFailure } from './run';

/** Letters of a sentence or a text, at most: both travel through Temporal and into the row. */
const lengthMax = 300;
/** Deepest cause that is looked at. */
const depthMax = 8;

/**
 * What a step keeps of a failure. A failure of the list says what is the matter in a sentence of ours, which everybody
 * may read; whatever else was said, by a driver or a server, is for operators alone.
 */
export function failureOf(error: unknown): StepFailure {
  const type = failureTypeOf(error);
  return {
    type: isVerdictFailure(type) ? type : 'unknown',
    detail: sentenceOf(error),
    text: textOf(error),
  };
}

/** What everybody may read of a failure. */
export function sentenceOf(error: unknown): string {
  const own = causesOf(error).find(isOfList);
  return own
    ? own.message.slice(0, lengthMax)
    : 'It is not known whether it took effect: no answer came.';
}

/** The innermost message, where it is not the sentence itself. */
function textOf(error: unknown): string | null {
  const causes = causesOf(error);
  const own = causes.find(isOfList);
  const told = own instanceof ApplicationFailure ? textIn(own.details) : undefined;
  if (told !== undefined) return told.slice(0, lengthMax);
  const innermost = causes.findLast(({ message }) => message !== '');
  return !innermost || innermost === own ? null : innermost.message.slice(0, lengthMax);
}

const isOfList = (cause: Error): boolean => 'type' in cause && isFailureType(cause.type);

function textIn(details: readonly unknown[] | null | undefined): string | undefined {
  const [first] = details ?? [];
  const isTold = typeof first === 'object' && first !== null && 'text' in first;
  return isTold ? String(first.text) : undefined;
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
