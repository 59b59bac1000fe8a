import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';

import { findFreePort, freePort, isFree } from '../../../runtime/ports';

/** The lowest port that the kernel gives to an outgoing connection. */
const firstOutgoing = Number(
  readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0],
);

describe('a free port', () => {
  it('is none that an outgoing connection could take before its listener comes', async () => {
    const ports = await Promise.all(Array.from({ length: 20 }, () => freePort()));
    expect(ports.filter((port) => port >= firstOutgoing)).toEqual([]);
    expect(await findFreePort('a profile', new Set())).toBeLessThan(firstOutgoing);
  });

  it('is never one of a stack when it is for a short life', async () => {
    const lasting = new Set<number>();
    for (let turn = 0; turn < 20; turn += 1) lasting.add(await findFreePort('a profile', lasting));
    expect(await freePort()).toBeGreaterThan(Math.max(...lasting));
  });

  it('is given once, also where the one before it is taken by somebody else', async () => {
    const first = await freePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(first + 1, '127.0.0.1', resolve));
    try {
      const ports = [first, first + 1, await freePort(), await freePort()];
      expect(new Set(ports).size).toBe(4);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('is the next one when somebody listens there or it is promised', async () => {
    const wanted = await findFreePort('a profile', new Set());
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(wanted, '127.0.0.1', resolve));
    try {
      expect(await isFree(wanted)).toBe(false);
      const next = await findFreePort('a profile', new Set());
      expect(next).not.toBe(wanted);
      expect(await findFreePort('a profile', new Set([next]))).not.toBe(next);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
