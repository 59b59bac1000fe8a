/** Ended transactions with a skipped step that is not booked. */
import { application } from '../../contracts/engine/application';
import { partsOfGid, type Gid } from '../../contracts/engine/ids';
import type { Finding } from '../../contracts/engine/reconciliation';
import {
  isUnbooked,
  resolutionText,
  type KeptResolution,
} from '../../contracts/engine/resolutions';
import type { SqlPool } from '../fence/sql-transaction';
import { asFound } from './open-runs';

interface EndedRow {
  readonly gid: Gid;
  readonly state: string;
  readonly resolvedByHand: readonly KeptResolution[];
  /** Seconds, as digits. */
  readonly age: string;
}

/** One page by gid. An index has only these rows. */
export async function unbookedSteps(
  accord: SqlPool,
  { after, rows }: { readonly after: Gid | null; readonly rows: number },
): Promise<{ readonly findings: readonly Finding[]; readonly next: Gid | null }> {
  const found = await accord.select<EndedRow>(
    `SELECT gid, state, resolved_by_hand AS resolvedByHand,
            CAST(TIMESTAMPDIFF(SECOND, ended_at, UTC_TIMESTAMP(3)) AS CHAR) AS age
       FROM runs FORCE INDEX (by_hand) WHERE by_hand = 'open' AND gid > ? ORDER BY gid LIMIT ?`,
    [after ?? '', rows],
  );
  return {
    findings: found.flatMap(findingsOf),
    next: found.length === rows ? (found.at(-1)?.gid ?? null) : null,
  };
}

const findingsOf = ({ gid, state, resolvedByHand, age }: EndedRow): readonly Finding[] =>
  resolvedByHand.filter(isUnbooked).map((resolution) => ({
    kind: 'skipped_by_hand',
    participant: participantOf(gid, resolution.step),
    gid,
    branch: resolution.branch,
    subject: `${gid}/${resolution.step}`,
    amounts: resolution.amounts.map(asFound),
    ageSeconds: Number(age),
    detail: `The transaction is ${state}: ${resolutionText(resolution)} Nobody has booked it.`,
  }));

/** Participant of a step. A step of no plan, or of a cluster, belongs to the hub. */
function participantOf(gid: Gid, step: string): string {
  const flow = partsOfGid(gid)?.flow;
  const { plannedStepOf, fenced } = application();
  const planned = flow === undefined ? undefined : plannedStepOf(flow, step);
  return planned && fenced.includes(planned.participant) ? planned.participant : 'accord';
}
