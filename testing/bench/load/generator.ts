/** Sends a load: at times that are fixed before (open loop), or so many in flight (closed loop). */
import { pause } from '../../../runtime/waiting';
import type { Played } from './caller';

/** One transaction of the load. Times are milliseconds from its beginning. */
export interface Sample {
  /** Open loop: when it was due, however late it was sent. Closed loop: when it was sent. */
  readonly dueMs: number;
  readonly acceptedMs: number | undefined;
  readonly endedMs: number;
  readonly gid: string | undefined;
  readonly ending: string;
  readonly mustBeRefused: boolean;
  readonly retries: number;
}

export interface Sender {
  readonly play: (at: number) => Promise<Played>;
  readonly mustBeRefused: (at: number) => boolean;
  /** Is told of each one that has ended. */
  readonly note: (sample: Sample) => void;
  /** No more is sent. */
  readonly isStopped: () => boolean;
}

/** Long enough that many are due at once, short enough that none is sent noticeably late. */
const timerMs = 1;

/** @param began of `performance.now()`. @returns once the last one has ended. */
export async function runOpenLoop(
  times: Iterable<number>,
  began: number,
  sender: Sender,
): Promise<void> {
  const open = new Set<Promise<void>>();
  let at = 0;
  for (const dueMs of times) {
    while (!sender.isStopped() && performance.now() - began < dueMs) {
      await pause(Math.max(timerMs, dueMs - (performance.now() - began)));
    }
    if (sender.isStopped()) break;
    const one = playOne(at, dueMs, began, sender).finally(() => open.delete(one));
    open.add(one);
    at += 1;
  }
  await Promise.all(open);
}

export interface ClosedLoop {
  readonly inFlight: number;
  /** Which is sent next is never above it. */
  readonly transactions: number;
  /** No more is sent afterwards. */
  readonly milliseconds: number;
}

/** @param began of `performance.now()`. @returns once the last one has ended. */
export async function runClosedLoop(
  { inFlight, transactions, milliseconds }: ClosedLoop,
  began: number,
  sender: Sender,
): Promise<void> {
  let next = 0;
  const isOver = (): boolean =>
    sender.isStopped() || next >= transactions || performance.now() - began >= milliseconds;
  async function lane(): Promise<void> {
    while (!isOver()) {
      const at = next;
      next += 1;
      await playOne(at, performance.now() - began, began, sender);
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane));
}

async function playOne(at: number, dueMs: number, began: number, sender: Sender): Promise<void> {
  const { gid, ending, retries, acceptedAt, endedAt } = await sender.play(at);
  sender.note({
    ...{ dueMs, gid, ending, retries, mustBeRefused: sender.mustBeRefused(at) },
    acceptedMs: acceptedAt === undefined ? undefined : acceptedAt - began,
    endedMs: endedAt - began,
  });
}
