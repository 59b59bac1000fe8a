/** Every history of a run is replayed on the code that ran it, and read for the order in which things were undone. */
import { join } from 'node:path';

import { isBatchId } from '../../contracts/engine/batches';
import type { Build } from '../environment/application';
import { historiesOf, productionBundle, replayAll, type Replayed } from '../replay/runs';
import type { FetchedHistory } from '../replay/sources';
import { disorderOf, scheduledOf } from './undo-order';
import type { IsolatedEnvironment } from '../environment/isolated-environment';

export interface ReplayedAll extends Replayed {
  /** Histories that the next release began. */
  readonly ofNextRelease: number;
  /** Undos that were not begun in the reverse order of their acts, a sentence each. */
  readonly outOfOrder: readonly { readonly gid: string; readonly sentence: string }[];
}

export async function replayEvery(
  isolated: IsolatedEnvironment,
  build: Build | undefined,
): Promise<ReplayedAll> {
  let ofNextRelease = 0;
  const outOfOrder: { gid: string; sentence: string }[] = [];
  async function* read(): AsyncGenerator<FetchedHistory> {
    const all = historiesOf(isolated.temporal, [{ query: `WorkflowType != ''` }]);
    for await (const fetched of all) {
      // A batch sends the calls of one round sorted, so its history does not tell in which order the acts began.
      const sentence = isBatchId(fetched.gid)
        ? undefined
        : disorderOf(scheduledOf(fetched.history));
      if (sentence !== undefined) outOfOrder.push({ gid: fetched.gid, sentence });
      if (isOfNextRelease(fetched)) ofNextRelease += 1;
      yield fetched;
    }
  }
  const bundlePath = build ? join(build.folder, 'workflow-bundle.js') : productionBundle;
  return { ...(await replayAll(read(), { bundlePath })), outOfOrder, ofNextRelease };
}

/** How `patched()` marks a history. */
const isOfNextRelease = ({ history: { events } }: FetchedHistory): boolean =>
  events.some(({ markerRecordedEventAttributes: marker }) => marker?.markerName === 'core_patch');
