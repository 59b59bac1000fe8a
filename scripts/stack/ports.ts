import { createHash } from 'node:crypto';
import { createServer } from 'node:net';

// Below the range from which the kernel takes ports for outgoing connections.
const firstPort = 20_000;
const portCount = 10_000;

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
  for (let step = 0; step < portCount; step += 1) {
    const port = firstPort + ((start + step) % portCount);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new Error(`No port is free between ${firstPort} and ${firstPort + portCount}.`);
}
