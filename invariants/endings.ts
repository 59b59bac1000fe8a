import { application } from '../contracts/engine/application';
import type { PlannedStep } from '../contracts/engine/plan';
import { partsOfGid, type Branch, type Gid } from '../contracts/engine/ids';
import { isUnbooked, type KeptResolution } from '../contracts/engine/resolutions';
import type { Reading } from './reading';

/** The steps of the flow that a transaction belongs to; none for a gid that no flow has. */
export function stepsOf(gid: Gid): readonly PlannedStep[] {
  const flow = partsOfGid(gid)?.flow;
  return flow === undefined ? [] : application().stepsOfFlow(flow);
}

/**
 * The branches that persons have resolved by hand, as the row of `accord.runs` declares them: no program may act on
 * them. `open`: skipped and not booked, so it differs from what the ending says, and the row shows that. `closed`: said
 * to be done by hand, or booked, so none of it may be reserved any more.
 */
export interface DeclaredBranches {
  readonly open: ReadonlySet<Branch>;
  readonly closed: ReadonlySet<Branch>;
}

/** @param resolvedByHand of the row; `null`: nothing was. */
export function declaredBranches(
  resolvedByHand: readonly KeptResolution[] | null,
): DeclaredBranches {
  const of = (resolutions: readonly KeptResolution[]): ReadonlySet<Branch> =>
    new Set(resolutions.flatMap(({ step, branch }) => [step, branch]));
  const all = resolvedByHand ?? [];
  const open = all.filter(isUnbooked);
  return { open: of(open), closed: of(all.filter((one) => !isUnbooked(one))) };
}

/** Those of many transactions whose declaration is open. @param gids one statement for each `gidsAtOnce` of them. */
export async function openDeclarations(
  accord: Reading,
  gids: readonly Gid[],
): Promise<ReadonlyMap<Gid, ReadonlySet<Branch>>> {
  const declared = new Map<Gid, ReadonlySet<Branch>>();
  for (let at = 0; at < gids.length; at += gidsAtOnce) {
    const rows = await accord.select<{
      readonly gid: Gid;
      readonly resolvedByHand: readonly KeptResolution[];
    }>(
      `SELECT gid, resolved_by_hand AS resolvedByHand FROM runs FORCE INDEX (PRIMARY)
         WHERE gid IN (?) AND by_hand = 'open'`,
      [gids.slice(at, at + gidsAtOnce)],
    );
    for (const { gid, resolvedByHand } of rows)
      declared.set(gid, declaredBranches(resolvedByHand).open);
  }
  return declared;
}

const gidsAtOnce = 500;
