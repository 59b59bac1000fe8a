import { describe, expect, it } from '@jest/globals';
import {
  ActivityFailure,
  ApplicationFailure,
  RetryState,
  TimeoutFailure,
  TimeoutType,
} from '@temporalio/common';

import { codeOfFailure, failureTypeOf, failureTypes, refusals } from '../../../contracts/failures';

const wrapped = (cause: Error) =>
  new ActivityFailure(
    'Activity task failed',
    'reserveStock',
    '1',
    RetryState.NON_RETRYABLE_FAILURE,
    'worker',
    cause,
  );

describe('the type of a failure', () => {
  it.each(refusals)('%s is found below what Temporal wraps around it', (type) => {
    expect(failureTypeOf(wrapped(ApplicationFailure.nonRetryable('No.', type)))).toBe(type);
  });

  it('is unknown where the list does not name it: a timeout may have taken effect', () => {
    const timeout = new TimeoutFailure('timed out', undefined, TimeoutType.START_TO_CLOSE);
    expect(failureTypeOf(wrapped(timeout))).toBeUndefined();
    expect(
      failureTypeOf(wrapped(ApplicationFailure.nonRetryable('x', 'Surprise'))),
    ).toBeUndefined();
    expect(failureTypeOf(new Error('OutOfStock'))).toBeUndefined();
    expect(failureTypeOf('OutOfStock')).toBeUndefined();
  });

  it('is looked for with a bound: an error that causes itself does not hang', () => {
    const error = new Error('round');
    error.cause = error;
    expect(failureTypeOf(error)).toBeUndefined();
  });

  it('has a code of its own in snake case', () => {
    expect(codeOfFailure('OutOfStock')).toBe('out_of_stock');
    expect(new Set(failureTypes.map(codeOfFailure)).size).toBe(failureTypes.length);
  });
});
