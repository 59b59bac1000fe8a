/** X7 and X8: who coordinates the open rows of `accord.runs`. */
import type { Client } from '@temporalio/client';

import type { Reading } from '../../invariants/reading';
import { isBatchId } from '../../contracts/engine/batches';
import type { Gid } from '../../contracts/engine/ids';
import { pause } from '../../runtime/waiting';
import type { Finding } from './findings';
import { rowsAgain, rowsOf, type RunRow, type RunsCompared } from './run-rows';
import { askEach, gidsOfBatch, standingOf, type Standing } from './temporal-reading';

/** A start is sent again after 10 s, and that takes 30 s at most. */
const startSeconds = 40;
/** A row follows its owner within a call. A difference that is seen so often stays. */
const looks = { max: 10, everyMs: 500 } as const;

/** X7: an open row has a living run, or its start is still being sent. The row is read again after its run. */
export async function findUnowned(accord: Reading, temporal: Client): Promise<RunsCompared> {
  const open = await openRows(accord);
  const standings = await standingsOf(temporal, open);
  const suspects = open.filter(({ owner }) => standings.get(owner)?.isRunning !== true);
  const again = await rowsAgain(accord, suspects);
  return {
    rows: open.length,
    violations: again.map((row) => findingOf(row, 'open, and no run owns it')),
  };
}

/**
 * X8: the owner of an open row is a workflow that runs and names its transaction, and the row says `parked` exactly if
 * its owner does. A row and its owner are looked at again, until they agree.
 */
export async function compareOwners(accord: Reading, temporal: Client): Promise<RunsCompared> {
  const open = await openRows(accord);
  let found = await differencesOf(temporal, open);
  for (let look = 1; look < looks.max && found.length > 0; look += 1) {
    await pause(looks.everyMs);
    found = await differencesOf(
      temporal,
      await rowsAgain(
        accord,
        found.map(({ row }) => row),
      ),
    );
  }
  return { rows: open.length, violations: found.map(({ row, wrong }) => findingOf(row, wrong)) };
}

/** Those whose start is not just being sent. */
const openRows = async (accord: Reading): Promise<readonly RunRow[]> =>
  (await rowsOf(accord, 0)).filter(
    ({ isOpen, isStarted, ageSeconds }) =>
      isOpen === 1 && (isStarted === 1 || ageSeconds >= startSeconds),
  );

const standingsOf = (temporal: Client, rows: readonly RunRow[]) =>
  askEach(
    rows.map(({ owner }) => owner),
    (owner) => standingOf(temporal, owner),
  );

interface Difference {
  readonly row: RunRow;
  readonly wrong: string;
}

async function differencesOf(
  temporal: Client,
  rows: readonly RunRow[],
): Promise<readonly Difference[]> {
  const standings = await standingsOf(temporal, rows);
  const carried = await askEach(rows.map(({ owner }) => owner).filter(isBatchId), (owner) =>
    gidsOfBatch(temporal, owner),
  );
  return rows.flatMap((row) => {
    const wrong = whatIsWrong(row, standings.get(row.owner), carried.get(row.owner));
    return wrong === undefined ? [] : [{ row, wrong }];
  });
}

/** @param carried transactions of the owner, if it is a batch. @returns `undefined`: nothing. */
function whatIsWrong(
  { gid, owner, lane, state }: RunRow,
  standing: Standing | undefined,
  carried: ReadonlySet<Gid> | undefined,
): string | undefined {
  const isInBatch = isBatchId(owner);
  if (!isInBatch && owner !== gid) return 'its owner is neither its gid nor a batch';
  if (isInBatch !== (lane === 'batch')) return 'its lane is not that of its owner';
  if (standing?.isRunning !== true)
    return isInBatch ? 'open, and its batch does not run' : 'open, and its owner does not run';
  if (isInBatch && !carried?.has(gid)) return 'its batch runs, and does not name it';
  const isOwnerParked = !isInBatch && standing.state === 'parked';
  if (isOwnerParked === (state === 'parked')) return undefined;
  return isOwnerParked
    ? 'its owner is parked, and it does not say so'
    : 'parked, and its owner is not';
}

const findingOf = ({ gid, owner, state }: RunRow, wrong: string): Finding => ({
  database: 'accord',
  row: { gid, owner, state, wrong },
});
