import { shop } from '../../../contracts/shop';
import { describe, expect, it } from '@jest/globals';
import {
  ActivityFailure,
  ApplicationFailure,
  RetryState,
  TimeoutFailure,
  TimeoutType,
} from '@temporalio/common';

import {
  codeOfFailure,
  failureTypeOf,
  failureTypes,
  protocolFailures,
  whyNoRefusal,
} from '../../../contracts/engine/failures';

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
  it.each(protocolFailures)('%s is found below what Temporal wraps around it', (type) => {
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
    // A refusal is one by its operation, never by its name.
    expect(
      failureTypeOf(wrapped(ApplicationFailure.nonRetryable('x', 'OutOfStock'))),
    ).toBeUndefined();
  });

  it('is looked for with a bound: an error that causes itself does not hang', () => {
    const error = new Error('round');
    error.cause = error;
    expect(failureTypeOf(error)).toBeUndefined();
  });

  it('has a code of its own in snake case', () => {
    expect(codeOfFailure('OutOfStock')).toBe('out_of_stock');
    const refusals = [...shop.operations.values()].flatMap((operation) => operation.refusals);
    const types = [...failureTypes, ...new Set<string>(refusals)];
    expect(new Set(types.map(codeOfFailure)).size).toBe(types.length);
  });

  it('of the engine is no name for a refusal', () => {
    expect(failureTypes.filter((type) => whyNoRefusal(type) === undefined)).toEqual([]);
    expect(whyNoRefusal('NoRoomLeft')).toBeUndefined();
  });
});
