/** Which starts share a workflow: what the configuration says, within what their flow allows. */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';

import { application, type Application } from '../../contracts/engine/application';
import { batchIdOf } from '../../contracts/engine/batches';
import type { Flow } from '../../contracts/engine/ids';

/**
 * `single`: each start is a workflow of its own. `mixed`: starts that are accepted together share one, and a start that
 * is accepted alone has its own. `batch`: as `mixed`, but a start that is accepted alone is a batch of one.
 */
export const laneModes = ['mixed', 'single', 'batch'] as const;
export type LaneMode = (typeof laneModes)[number];

export interface LaneModes {
  /** For flows that are not named. */
  readonly others: LaneMode;
  readonly byFlow: ReadonlyMap<Flow, LaneMode>;
}

/** `<mode>`, or `<mode>,<flow>=<mode>,…`. The flows are those of the installed application. */
export const laneModesSchema = z.string().transform((text, context): LaneModes => {
  const [others = '', ...named] = text.split(',').map((entry) => entry.trim());
  const problems: string[] = [];
  if (!isMode(others)) problems.push(`its first entry is not one of ${laneModes.join(', ')}`);
  const byFlow = new Map<Flow, LaneMode>();
  for (const [at, entry] of named.entries()) {
    const [flow = '', mode = '', ...more] = entry.split('=').map((part) => part.trim());
    const problem = problemOf(flow, mode, more.length > 0 || byFlow.has(flow));
    if (problem !== undefined) problems.push(`its entry ${at + 2} ${problem}`);
    if (isMode(mode)) byFlow.set(flow, mode);
  }
  for (const problem of problems) context.addIssue(problem);
  return isMode(others) && problems.length === 0 ? { others, byFlow } : z.NEVER;
});

const isMode = (word: string): word is LaneMode => (laneModes as readonly string[]).includes(word);

/** @returns what is wrong with `<flow>=<mode>`. It quotes no value, as no sentence of the configuration does. */
function problemOf(flow: Flow, mode: string, isTwice: boolean): string | undefined {
  const { flows } = application();
  if (!isMode(mode) || flow === '') return `is not <flow>=<one of ${laneModes.join(', ')}>`;
  if (!flows[flow]) return `names no flow of ${Object.keys(flows).join(', ')}`;
  return isTwice ? 'says a second time what one flow does' : undefined;
}

/** @param flows of the application: a flow that allows no other lane is `single` under every configuration. */
export function createLanes(
  { others, byFlow }: LaneModes,
  flows: Application['flows'] = application().flows,
) {
  const modeOf = (flow: Flow): LaneMode =>
    flows[flow]?.lane === 'any' ? (byFlow.get(flow) ?? others) : 'single';
  /** How many starts of a flow it takes to make a batch. */
  const leastOf: Readonly<Record<LaneMode, number>> = { single: Infinity, mixed: 2, batch: 1 };
  return {
    /** Whether starts of this flow may share a workflow. */
    gathers: (flow: Flow): boolean => modeOf(flow) !== 'single',
    /**
     * @param starts flows of the starts that are accepted together.
     * @returns workflow ids of new batches, by flow. Starts of the other flows are workflows of their own.
     */
    batchesOf(starts: readonly Flow[]): ReadonlyMap<Flow, string> {
      const counts = new Map<Flow, number>();
      for (const flow of starts) counts.set(flow, (counts.get(flow) ?? 0) + 1);
      const batched = [...counts].filter(([flow, count]) => count >= leastOf[modeOf(flow)]);
      return new Map(batched.map(([flow]) => [flow, batchIdOf(flow, newToken())]));
    },
  };
}
export type Lanes = ReturnType<typeof createLanes>;

const newToken = (): string => randomBytes(16).toString('hex');
