/** A run of the demo: what is started, what happens meanwhile, and what it must come to. */
import type { Gid } from '../../contracts/engine/ids';
import type { Scene, Start } from './scene';

/** What a run adds to numbers of the books, by their names; every other number stays as it is. */
export type Changes = Readonly<Record<string, number>>;

/** A demo in which one comes to anything else fails. */
export interface PlannedRun {
  readonly title: string;
  readonly start: Start;
  readonly ending: 'completed' | 'compensated';
  readonly reason: string | null;
  readonly changes: Changes;
  /** Starts it, and does what is to happen meanwhile. What happens is done from outside: the application knows no demo. */
  readonly play: (scene: Scene, start: Start) => Promise<Played>;
}

export interface Played {
  readonly gid: Gid;
  /** What was done from outside, in sentences. */
  readonly outside: readonly string[];
  /** What a client has seen besides the ending. */
  readonly seen: readonly string[];
  readonly killed: boolean;
}

const withinSeconds = 30;

/** Starts it and waits for its ending. */
export const simply: PlannedRun['play'] = async (scene, start) => {
  const { gid } = await scene.start(start, withinSeconds);
  await scene.settled(gid);
  return playedOf(gid);
};

export const playedOf = (gid: Gid, more: Partial<Omit<Played, 'gid'>> = {}): Played => ({
  gid,
  outside: [],
  seen: [],
  killed: false,
  ...more,
});

/** All changes together. */
export function sumOf(all: readonly Changes[]): Changes {
  const sums = new Map<string, number>();
  for (const changes of all) {
    for (const [name, value] of Object.entries(changes)) {
      sums.set(name, (sums.get(name) ?? 0) + value);
    }
  }
  return Object.fromEntries(sums);
}

export const euros = (minorUnits: number) => ({ currency: 'EUR', minorUnits }) as const;
