/**
 * A TCP proxy between a client and MySQL that loses what a network may lose, at the moment that matters. A commit that
 * was cut after it (`cutAfter`) took effect, one that was cut before (`cutBefore`) did not, and the client cannot tell:
 * it sees the same reset. What has happened is counted here, since a proxy that cuts nothing proves nothing.
 */
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

/** A statement that a cut waits for. A plain search would also hit READ-COMMITTED. */
export type Statement = 'COMMIT' | 'ROLLBACK';

export interface ProxyCounters {
  /** Connections accepted, and those that are open. */
  readonly accepted: number;
  readonly open: number;
  /** Statements that were forwarded and whose answer was dropped. */
  readonly cutsAfter: number;
  /** Statements that were dropped themselves. */
  readonly cutsBefore: number;
}

export interface Proxy {
  readonly port: number;
  /** The target's address with the proxy in the place of host and port. */
  readonly url: string;
  counters(): ProxyCounters;
  /** The next `times` such statements reach the server; then the client's connection is reset without their answer. */
  cutAfter(statement: Statement, times?: number): void;
  /** The next `times` such statements are dropped, and their connections reset on both sides. */
  cutBefore(statement: Statement, times?: number): void;
  /** Delays every packet, each way; 0 ends it. */
  latency(milliseconds: number): void;
  /** `blackhole`: nothing passes and nobody is told. `halfOpen`: answers are lost, requests still pass. `open`: heals. */
  pass(what: 'open' | 'blackhole' | 'halfOpen'): void;
  /** Resets every open connection. */
  reset(): void;
  close(): Promise<void>;
}

interface Faults {
  cutAfter: Map<Statement, number>;
  cutBefore: Map<Statement, number>;
  latencyMs: number;
  passing: 'open' | 'blackhole' | 'halfOpen';
}

interface Counting {
  accepted: number;
  cutsAfter: number;
  cutsBefore: number;
}

/** @param target mysql://user:password@host:port/database, of a server that speaks to the client without TLS. */
export async function createProxy({ target }: { readonly target: string }): Promise<Proxy> {
  const upstream = new URL(target);
  const faults: Faults = {
    cutAfter: new Map(),
    cutBefore: new Map(),
    latencyMs: 0,
    passing: 'open',
  };
  const counting: Counting = { accepted: 0, cutsAfter: 0, cutsBefore: 0 };
  const pairs = new Set<Pair>();
  const server = createServer((client) => {
    counting.accepted += 1;
    const pair = { client, upstream: connect(Number(upstream.port), upstream.hostname) };
    pairs.add(pair);
    pair.upstream.once('close', () => pairs.delete(pair));
    join(pair, faults, counting);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = addressOf(server.address());
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return {
    port,
    url: url.toString(),
    counters: () => ({ ...counting, open: pairs.size }),
    cutAfter: (statement, times = 1) => void faults.cutAfter.set(statement, times),
    cutBefore: (statement, times = 1) => void faults.cutBefore.set(statement, times),
    latency(milliseconds) {
      faults.latencyMs = milliseconds;
    },
    pass(what) {
      faults.passing = what;
    },
    reset() {
      for (const pair of pairs) resetBoth(pair);
    },
    async close() {
      for (const pair of pairs) resetBoth(pair);
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Both halves of one connection. */
interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
}

function join(pair: Pair, faults: Faults, counting: Counting): void {
  const { client, upstream } = pair;
  let isCut = false; // The statement is on its way; its answer will be dropped.
  client.on('data', (chunk) => {
    const packet = toBuffer(chunk);
    if (takes(faults.cutBefore, packet)) {
      counting.cutsBefore += 1;
      resetBoth(pair);
      return;
    }
    if (takes(faults.cutAfter, packet)) {
      counting.cutsAfter += 1;
      isCut = true;
    }
    if (faults.passing !== 'blackhole') later(faults, () => upstream.write(packet));
  });
  upstream.on('data', (chunk) => {
    if (isCut)
      resetBoth(pair); // The server has answered, so it has committed; only now is the answer lost.
    else if (faults.passing === 'open') later(faults, () => client.write(chunk));
  });
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('end', () => later(faults, () => other.end()));
    one.on('close', () => other.destroy());
  }
}

/**
 * Is this the packet of a statement that is to be cut, and are cuts of it left? Byte 4 is COM_QUERY; the statement is
 * matched by how the packet ends, since query attributes put bytes before it. A driver sends a statement as one packet,
 * alone, because it waits for the answer to the one before.
 */
function takes(cuts: Map<Statement, number>, packet: Buffer): boolean {
  if (packet[4] !== comQuery) return false;
  for (const [statement, left] of cuts) {
    if (left === 0 || !packet.subarray(-statement.length).equals(Buffer.from(statement))) continue;
    cuts.set(statement, left - 1);
    return true;
  }
  return false;
}

const comQuery = 0x03;

function later({ latencyMs }: Faults, act: () => void): void {
  if (latencyMs === 0) act();
  else setTimeout(act, latencyMs);
}

function resetBoth({ client, upstream }: Pair): void {
  client.resetAndDestroy();
  upstream.destroy();
}

const toBuffer = (chunk: Buffer | string): Buffer =>
  typeof chunk === 'string' ? Buffer.from(chunk) : chunk;

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === 'string')
    throw new Error('The proxy has no TCP port.');
  return address;
}
