import { sleep } from '@temporalio/workflow';

/** What the commands of one workflow task may weigh: above 4 MiB the run is terminated, without any undo. */
const taskBytesMax = 1_048_576;

/** Bounds what one workflow task sends, or writes down. */
export interface TaskRoom {
  /** Waits for the next workflow task where this one has no room left. One piece alone may weigh more. */
  enter(bytes: number): Promise<void>;
}

/** It does not know when a workflow task has ended, so it counts on until it has waited for the next one. */
export function createTaskRoom(): TaskRoom {
  let used = 0;
  let next: Promise<void> | undefined;
  return {
    async enter(bytes) {
      while (used > 0 && used + bytes > taskBytesMax) {
        next ??= sleep(1, { summary: 'until the next workflow task' }).then(() => {
          used = 0;
          next = undefined;
        });
        await next;
      }
      used += bytes;
    },
  };
}
