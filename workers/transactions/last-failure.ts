import type { Context } from '@temporalio/activity';

import { failureTypeOf } from '../../contracts/engine/failures';
import type { AttemptFailure } from '../../contracts/engine/verdict';

/** What a failed attempt leaves to the next one with its last heartbeat: Temporal tells an attempt nothing else of it. */
export interface LeftBehind {
  /** Which attempt failed so. */
  readonly attempt: number;
  readonly lastFailure: AttemptFailure;
}

/** Letters of a text, at most: it travels with the heartbeat and the answer. */
const textLengthMax = 300;

export function leaveBehind({ info }: Context, error: unknown): LeftBehind {
  const text = error instanceof Error ? error.message.slice(0, textLengthMax) : '';
  return {
    attempt: info.attempt,
    lastFailure: { type: failureTypeOf(error) ?? 'unknown', ...(text !== '' && { text }) },
  };
}

/** What an earlier attempt has left, as it was; undefined: nothing. */
export function leftBehind({ info }: Context): LeftBehind | undefined {
  const left: unknown = info.heartbeatDetails;
  const isLeft = typeof left === 'object' && left !== null && 'lastFailure' in left;
  return isLeft ? (left as LeftBehind) : undefined; // Only `leaveBehind` writes such details.
}

/** How the attempt before failed. One that was killed, or whose time was over, has left nothing. */
export function lastFailureOf(context: Context): AttemptFailure {
  const left = leftBehind(context);
  return left?.attempt === context.info.attempt - 1 ? left.lastFailure : { type: 'unknown' };
}
