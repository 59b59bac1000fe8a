import { ApplicationFailure } from '@temporalio/workflow';

import type { ReviewDecision } from '../../contracts/engine/transaction';
import { waitFor } from './clock';
import type { Run } from './run';
import { note } from './run';
import type { Reviewed, ReviewRequest } from './executable-flow';

/** The review of a transaction: at most one decision of a person. */
export interface Review {
  /** Throws ReviewExpired without a decision in time. A second call returns the first decision. */
  wait(request: ReviewRequest): Promise<Reviewed>;
  /** Throws NotInReview; changes nothing. */
  validate(decision: ReviewDecision): void;
  decide(decision: ReviewDecision): void;
}

/**
 * @param announce publishes that the run waits, and until when.
 * @param mayAct whether acts may still run, so that a decision still counts.
 */
export function createReview(run: Run, announce: () => void, mayAct: () => boolean): Review {
  const answer: { reviewed?: Reviewed } = {};
  const given = (): Reviewed | undefined => answer.reviewed;
  return { wait, validate, decide };

  async function wait({ withinMs, about }: ReviewRequest): Promise<Reviewed> {
    const before = given();
    if (before) return before;
    const since = run.clock.now();
    run.reviewUntil = since + withinMs;
    run.reviewAbout = about;
    run.extendedMs = withinMs;
    run.early ??= 'review';
    announce();
    try {
      const summary = 'until the review expires';
      await waitFor(run.clock, () => given() !== undefined, { ms: withinMs, summary });
    } finally {
      run.reviewUntil = null;
      run.extendedMs = run.clock.now() - since;
    }
    const reviewed = given();
    if (reviewed) return reviewed;
    throw ApplicationFailure.nonRetryable(
      `Nobody has decided within ${withinMs} ms.`,
      'ReviewExpired',
    );
  }

  function validate({ actor }: ReviewDecision): void {
    // A reset run gets the messages of the earlier run at once, before it reaches its review again.
    const isAwaited = run.reviewUntil !== null || run.wasReset;
    if (isAwaited && mayAct() && !given()) return;
    throw ApplicationFailure.nonRetryable(
      `${actor.subject} decided on ${run.input.gid}, which is not in review.`,
      'NotInReview',
    );
  }

  function decide({ decision, actor, note: why }: ReviewDecision): void {
    run.clock.messaged();
    const because = why === null ? '' : `: ${why}`;
    note(run, `${actor.subject} reviewed it and said ${decision}${because}`);
    answer.reviewed = { decision, by: actor.subject, note: why };
  }
}
