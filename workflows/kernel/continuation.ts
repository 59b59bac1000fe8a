import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
} from '@temporalio/workflow';

import type { TransactionInput } from '../../contracts/engine/transaction';
import type { Kernel } from './kernel';
import type { Carried } from './run';
import { carriedOf, isAtRest } from './run';

/**
 * Continues in a new workflow run when Temporal reports a long history. Decisions by hand and pauses of the kernel cost
 * events and updates, and both are bounded for a workflow run. It continues only while the run waits for persons or
 * pauses, so no call is lost. Until then it sends no command.
 */
export function continueWhenLong(kernel: Kernel, input: TransactionInput): Promise<never> {
  const { run } = kernel;
  const isSafe = () => isAtRest(run) && allHandlersFinished();
  return CancellationScope.nonCancellable(async () => {
    for (;;) {
      await condition(() => run.clock.isLong() && isSafe());
      await kernel.announced(); // The row must have the state that the next workflow run expects.
      if (!isSafe()) continue;
      await continueAsNew<(input: TransactionInput, carried: Carried) => Promise<unknown>>(
        input,
        carriedOf(run),
      );
    }
  });
}
