import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  workflowInfo,
} from '@temporalio/workflow';

import type { TransactionInput } from '../../contracts/engine/transaction';
import type { Kernel } from './kernel';
import type { Carried } from './run';
import { carriedOf, isAtRest } from './run';

/**
 * Goes on in a new run once Temporal says that the history of this one is long: decisions by hand and pauses of the
 * kernel cost events and updates, of which a run may have so many and no more. Only where nothing but persons or pauses
 * is waited for, so that no call is lost on the way. Costs no command before.
 */
export function continueWhenLong(kernel: Kernel, input: TransactionInput): Promise<never> {
  const { run } = kernel;
  const isSafe = () => isAtRest(run) && allHandlersFinished();
  return CancellationScope.nonCancellable(async () => {
    for (;;) {
      await condition(() => workflowInfo().continueAsNewSuggested && isSafe());
      await kernel.announced(); // The row is to be what the next run believes that it is.
      if (!isSafe()) continue;
      await continueAsNew<(input: TransactionInput, carried: Carried) => Promise<unknown>>(
        input,
        carriedOf(run),
      );
    }
  });
}
