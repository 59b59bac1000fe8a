/** Table `findings` of `accord`: findings of reconciliation, each subject once. */
import type { FindingKind, RecordedFinding } from '../../contracts/engine/reconciliation';
import { chunksOf } from '../fence/set-statements';
import type { SqlPool } from '../fence/sql-transaction';

/** Length of the column `detail`, in letters. */
const detailLength = 500;

/** Stores findings as seen now. A repaired or closed one gets a new `first_seen`. */
export async function recordFindings(
  accord: SqlPool,
  findings: readonly RecordedFinding[],
): Promise<void> {
  for (const chunk of chunksOf(findings)) {
    const rows = chunk.map(({ finding, state }) => [
      finding.kind,
      finding.participant,
      finding.gid,
      finding.branch,
      finding.subject,
      JSON.stringify(finding.amounts),
      finding.detail.slice(0, detailLength),
      state,
    ]);
    await accord.change(
      `INSERT INTO findings (kind, participant, gid, branch, subject, amounts, detail, state, first_seen, last_seen)
         VALUES ${rows.map(() => '(?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))').join(', ')} AS seen
         ON DUPLICATE KEY UPDATE
           first_seen = IF(findings.state = 'open', findings.first_seen, seen.first_seen),
           state = seen.state, amounts = seen.amounts, detail = seen.detail, last_seen = seen.last_seen`,
      rows,
    );
  }
}

/** Closes findings that were not seen since. @param since time of `accord`. */
export async function closeUnseen(
  accord: SqlPool,
  { since, kinds }: { readonly since: string; readonly kinds: readonly FindingKind[] },
): Promise<void> {
  if (kinds.length === 0) return;
  await accord.change(
    `UPDATE findings SET state = 'gone'
       WHERE state = 'open' AND kind IN (?) AND last_seen < CAST(? AS DATETIME(3))`,
    [kinds, since],
  );
}

/** Subjects of open findings, by name. There are few, however many were found before. */
export async function openSubjects(
  accord: SqlPool,
  page: {
    readonly kind: FindingKind;
    readonly participant: string;
    readonly after: string;
    readonly rows: number;
  },
): Promise<readonly string[]> {
  const found = await accord.select<{ readonly subject: string }>(
    `SELECT subject FROM findings FORCE INDEX (by_state)
       WHERE state = 'open' AND kind = ? AND participant = ? AND subject > ? ORDER BY subject LIMIT ?`,
    [page.kind, page.participant, page.after, page.rows],
  );
  return found.map(({ subject }) => subject);
}
