/** Which faults strike, one after the other, from the seed: each kind once before any comes again. */
import { faultMenu, faultNames, type FaultName } from './faults';
import type { Random } from './random';

export interface PlannedFault {
  readonly name: FaultName;
  /** How long it is to last. */
  readonly ms: number;
  /** Calm after it has been healed. */
  readonly calmMs: number;
}

/** What even the shortest run must have: deaths, a pause, the two outcomes of a lost commit, a deadlock. */
const always: readonly FaultName[] = [
  'kill-worker',
  'cut-after-commit',
  'kill-api',
  'cut-before-commit',
  'kill-mysql',
  'kill-relay',
  'pause-worker',
  'deadlocks',
];

/** Restart of a server or a process, beyond the fault's own length: what the plan counts with. */
const healingMs = 1_500;
/** Pauses between faults. A longer run has time to see that the system recovers before the next fault. */
const calm = {
  short: { least: 700, most: 2_500 },
  long: { least: 3_000, most: 6_000 },
  longFromMs: 120_000,
} as const;

/**
 * @param windowMs how long the faults may take, all in all, as far as that can be known before.
 * @param only the kinds to choose from; left out: all of them.
 * @param must kinds that strike in any case.
 */
export function planFaults(
  random: Random,
  windowMs: number,
  {
    only = faultNames,
    must = [],
  }: { readonly only?: readonly FaultName[]; readonly must?: readonly FaultName[] } = {},
): readonly PlannedFault[] {
  const asked = [...new Set([...must, ...only])];
  const isFirst = (name: FaultName): boolean => must.includes(name) || always.includes(name);
  const first = random.shuffled(asked.filter(isFirst));
  const others = random.shuffled(asked.filter((name) => !isFirst(name)));
  const { least, most } = windowMs < calm.longFromMs ? calm.short : calm.long;
  const plan: PlannedFault[] = [];
  let left = windowMs;
  for (const name of again([...first, ...others], () => random.shuffled(asked))) {
    const planned = { name, ms: faultMenu[name].ms, calmMs: random.between(least, most) };
    left -= planned.ms + planned.calmMs + healingMs;
    if (left < 0 && plan.length >= first.length) return plan;
    plan.push(planned);
  }
  return plan;
}

function* again<Item>(once: readonly Item[], more: () => readonly Item[]): Generator<Item> {
  yield* once;
  for (let round = 0; round < 1_000; round += 1) yield* more();
}
