import { ActivityFailure, isCancellation } from '@temporalio/workflow';

/** Activities of reconciliation under the names that they are registered with. */
export type Registered<Activities> = {
  readonly [Name in keyof Activities & string as `reconciliation.${Name}`]: Activities[Name];
};

/**
 * Runs one part of a job. If an activity fails until its time is over, the rest of the part is left to the next round,
 * and the other parts continue.
 *
 * @returns `undefined`: the part failed.
 */
export async function unlessFailed<Result>(
  part: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await part();
  } catch (error) {
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    return undefined;
  }
}
