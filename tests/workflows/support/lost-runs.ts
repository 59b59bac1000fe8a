import type { TransactionInput, TransactionResult } from '../../../contracts/engine/transaction';
import { fakeParticipants, type FakeParticipants } from './fake-participants';
import { gate } from './steering';
import type { TransactionHandle, transactionRuns } from './transaction-runs';

/** Its time for acting is over: the next run may only ask what an earlier one has decided. */
export const outOfTime = <Input extends TransactionInput>(input: Input): Input => ({
  ...input,
  deadlineAt: Date.now() + input.undoBudgetMs,
});

/**
 * A run is terminated while its call of `act` is under way, and another one is started under its gid, out of time.
 *
 * @param isLate that call goes on when all has ended; left out: before the other run is started.
 * @param then steers the other run.
 */
export async function lostAt(
  act: string,
  runs: ReturnType<typeof transactionRuns>,
  input: TransactionInput,
  {
    isLate = false,
    then = () => Promise.resolve(),
  }: {
    readonly isLate?: boolean;
    readonly then?: (again: TransactionHandle) => Promise<unknown>;
  } = {},
): Promise<{ readonly fakes: FakeParticipants; readonly result: TransactionResult }> {
  const waits = gate();
  const fakes = fakeParticipants({ [act]: waits.answer });
  const result = await runs.run(fakes, input, async (handle) => {
    await waits.reached;
    await handle.terminate();
    fakes.on(act, ({ proceed }) => proceed());
    if (!isLate) waits.open();
    await then(await runs.start(outOfTime(input)));
  });
  waits.open();
  return { fakes, result };
}
