import { flowDefinitions, type PlannedStep } from '../contracts/flows';
import { partsOfGid, type Branch, type Gid } from '../contracts/ids';

/** The steps of the flow that a transaction belongs to; none for a gid that no flow has. */
export function stepsOf(gid: Gid): readonly PlannedStep[] {
  const flow = partsOfGid(gid)?.flow;
  return flow ? flowDefinitions[flow].steps : [];
}

/**
 * The branches that an operator has settled by hand, as the ending says: whatever their rows are, a person has answered
 * for them, and no program may act on them.
 *
 * @param ending of the row of `accord.runs`.
 */
export function settledBranches(gid: Gid, ending: string): ReadonlySet<Branch> {
  const { steps = [] } = JSON.parse(ending) as {
    readonly steps?: readonly { readonly name: string; readonly state: string }[];
  };
  const settled = new Set(steps.filter(({ state }) => state === 'settled').map(({ name }) => name));
  const confirmed = stepsOf(gid).flatMap(({ name, confirms }) =>
    confirms !== null && settled.has(name) ? [confirms] : [],
  );
  return new Set([...settled, ...confirmed]);
}
