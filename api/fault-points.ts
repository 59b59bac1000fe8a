/**
 * Where the start path may be held or killed by a test: `before` anything, `begun` (about to claim the row),
 * `afterCommit` (row committed, nothing sent), `beforeAck` (started, not answered).
 */
export type StartPoint = 'before' | 'begun' | 'afterCommit' | 'beforeAck';

/** Injected by the composition root; inert unless it was armed there. */
export interface FaultPoints {
  reach(name: 'api.start', point: StartPoint): Promise<void>;
}

export const noFaultPoints: FaultPoints = { reach: () => Promise.resolve() };
