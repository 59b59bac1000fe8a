import { createHash, randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Both below the range from which the kernel takes ports for outgoing connections (32,768 and on): a port of that range
 * that was free a moment ago may be the near end of somebody's connection when its listener comes.
 */
const lasting = { first: 20_000, count: 10_000 };
const passing = { first: 30_000, count: 2_700 };
/** Each port of the kind is given once by a process, until all have been: several are asked for before one is taken. */
let next = randomInt(passing.count);

/** True when nothing listens on this port of the loopback. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      probe.close(() => resolve(true));
    });
  });
}

/**
 * A free port of the loopback, always the same one for the same seed as long as it is free.
 * Two checkouts have different seeds and so begin their search in different places.
 *
 * @param taken ports that are promised to others, though nobody listens there yet.
 */
export async function findFreePort(seed: string, taken: ReadonlySet<number>): Promise<number> {
  const start = createHash('sha256').update(seed).digest().readUInt32BE(0);
  for (let step = 0; step < lasting.count; step += 1) {
    const port = lasting.first + ((start + step) % lasting.count);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw noneIn(lasting);
}

/** A free port of the loopback for a process that is started at once, and never one of a stack. */
export async function freePort(): Promise<number> {
  for (let step = 0; step < passing.count; step += 1) {
    next = (next + 1) % passing.count;
    const port = passing.first + next;
    if (await isFree(port)) return port;
  }
  throw noneIn(passing);
}

const noneIn = ({ first, count }: typeof lasting): Error =>
  new Error(`No port is free between ${first} and ${first + count}.`);
