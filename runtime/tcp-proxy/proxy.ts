/**
 * A TCP proxy between a client and a server that does to the line what a network may do, at the moment that matters. A
 * commit that was cut after it (`cutAfter`) took effect, one that was cut before (`cutBefore`) did not, and the client
 * cannot tell: it sees the same reset. What has happened is counted, since a proxy that cuts nothing proves nothing.
 *
 * It is a router as well: `retarget` sends new connections elsewhere.
 */
import { createServer, connect, type Socket } from 'node:net';

import { freePort } from '../ports';
import { createFramer, createKafkaAnswers, protocolOf, type Protocol } from './protocols';

export interface ProxyCounters {
  /** Connections accepted, and those that are open. */
  readonly accepted: number;
  readonly open: number;
  /** Connections that were reset at once. */
  readonly refused: number;
  /** Requests that were forwarded and whose answer was dropped. */
  readonly cutsAfter: number;
  /** Requests that were dropped themselves. */
  readonly cutsBefore: number;
  /** Bytes that reached the other side, both ways, and those that were swallowed. */
  readonly passed: number;
  readonly swallowed: number;
}

/** `requestsOnly`: half open, answers are lost. `answersOnly`: half open the other way. `blackhole`: nothing passes. */
export type Passing = 'open' | 'blackhole' | 'requestsOnly' | 'answersOnly';

export interface Proxy {
  readonly port: number;
  /** 127.0.0.1 and the port. */
  readonly address: string;
  /** The first target's URL with the proxy in the place of host and port. */
  readonly url: string;
  counters(): ProxyCounters;
  /**
   * The next `times` such requests reach the server; then the client's connection is reset without their answer.
   *
   * @param what `COMMIT`, `ROLLBACK` of MySQL; a command of Redis, `*` for any; `Produce`, `Fetch` … of Kafka.
   * @throws for a name that the protocol has not, and where it is opaque.
   */
  cutAfter(what: string, times?: number): void;
  /** The next `times` such requests are dropped, and their connections reset on both sides. */
  cutBefore(what: string, times?: number): void;
  /** Delays whatever passes, each way; 0 ends it. */
  latency(milliseconds: number): void;
  /** Lets so many bytes a second pass on a connection, each way; 0 is as many as come. */
  bandwidth(bytesPerSecond: number): void;
  /** Nobody is told of what is swallowed. `open` heals: a connection that has lost bytes is reset, its stream has a hole. */
  pass(what: Passing): void;
  /** Whether new connections are reset at once; open ones live on. */
  refuse(isRefusing: boolean): void;
  /** Resets every open connection. */
  reset(): void;
  /** Resets every open connection, and refuses new ones until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** New connections go to this server, old ones stay where they are. */
  retarget(url: string): void;
  close(): Promise<void>;
}

interface Faults {
  readonly cutAfter: Map<string, number>;
  readonly cutBefore: Map<string, number>;
  latencyMs: number;
  bytesPerSecond: number;
  passing: Passing;
  isRefusing: boolean;
}
type Counting = { -readonly [Name in keyof Omit<ProxyCounters, 'open'>]: number };

/** Both halves of one connection. */
interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  hasHole: boolean;
}

/**
 * @param target mysql://…, redis://…, kafka://host:port, or tcp://host:port for what is opaque; a server that speaks
 *   to the client without TLS.
 * @param port of the proxy; left out: any that is free.
 */
export async function createProxy({
  target,
  port: wanted,
}: {
  readonly target: string;
  readonly port?: number;
}): Promise<Proxy> {
  let upstreamUrl = new URL(target);
  const protocol = protocolOf(upstreamUrl.protocol);
  const faults: Faults = {
    cutAfter: new Map(),
    cutBefore: new Map(),
    latencyMs: 0,
    bytesPerSecond: 0,
    passing: 'open',
    isRefusing: false,
  };
  const counting: Counting = {
    accepted: 0,
    refused: 0,
    cutsAfter: 0,
    cutsBefore: 0,
    passed: 0,
    swallowed: 0,
  };
  const pairs = new Set<Pair>();
  const server = createServer((client) => {
    if (faults.isRefusing) {
      counting.refused += 1;
      client.resetAndDestroy();
      return;
    }
    counting.accepted += 1;
    const { hostname: host, port: to } = upstreamUrl;
    const pair = { client, upstream: connect(Number(to), host), hasHole: false };
    pairs.add(pair);
    pair.upstream.once('close', () => pairs.delete(pair));
    join(pair, { protocol, faults, counting, broker: { host, port: Number(to) } });
  });
  const listen = (at: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(at, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  const resetAll = (): void => pairs.forEach(resetBoth);
  const stopListening = async (): Promise<void> => {
    resetAll();
    if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  await listen(wanted ?? (await freePort())); // One that nobody takes while the proxy is down.
  const port = portOf(server.address());
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String(port);

  const cut = (cuts: Map<string, number>) => (what: string, times: number) => {
    if (!protocol.names.test(what))
      throw new Error(`Nothing to cut at "${what}" on ${url.protocol}`);
    cuts.set(what, times);
  };
  return {
    port,
    address: `127.0.0.1:${port}`,
    url: url.toString(),
    counters: () => ({ ...counting, open: pairs.size }),
    cutAfter: (what, times = 1) => cut(faults.cutAfter)(what, times),
    cutBefore: (what, times = 1) => cut(faults.cutBefore)(what, times),
    latency: (milliseconds) => void (faults.latencyMs = milliseconds),
    bandwidth: (bytesPerSecond) => void (faults.bytesPerSecond = bytesPerSecond),
    pass(what) {
      faults.passing = what;
      if (what === 'open') for (const pair of pairs) if (pair.hasHole) resetBoth(pair);
    },
    refuse: (isRefusing) => void (faults.isRefusing = isRefusing),
    reset: resetAll,
    down: stopListening,
    up: () => (server.listening ? Promise.resolve() : listen(port)),
    retarget(to) {
      upstreamUrl = new URL(to);
    },
    close: stopListening,
  };
}

interface Line {
  readonly protocol: Protocol;
  readonly faults: Faults;
  readonly counting: Counting;
  readonly broker: { readonly host: string; readonly port: number };
}

function join(pair: Pair, { protocol, faults, counting, broker }: Line): void {
  const { client, upstream } = pair;
  const requestsOf = createFramer(protocol);
  const kafka = protocol === protocolOf('kafka:') ? createKafkaAnswers(broker) : undefined;
  const [toServer, toClient] = [createDelay(faults), createDelay(faults)];
  const passesToServer = () => faults.passing === 'open' || faults.passing === 'requestsOnly';
  const passesToClient = () => faults.passing === 'open' || faults.passing === 'answersOnly';
  let isCut = false; // The request is on its way; its answer will be dropped.

  const hand = (delay: Delay, to: Socket, bytes: Buffer, passes: boolean): void => {
    if (!passes) {
      counting.swallowed += bytes.length;
      pair.hasHole = true;
    } else if (bytes.length > 0) {
      counting.passed += bytes.length;
      delay(bytes.length, () => to.write(bytes));
    }
  };
  const request = (bytes: Buffer): void => {
    if (pair.client.destroyed) return;
    if (takes(faults.cutBefore, bytes, protocol)) {
      counting.cutsBefore += 1;
      resetBoth(pair);
      return;
    }
    const passes = passesToServer();
    if (passes && takes(faults.cutAfter, bytes, protocol)) {
      counting.cutsAfter += 1;
      isCut = true;
    }
    kafka?.request(bytes);
    hand(toServer, upstream, bytes, passes);
  };
  client.on('data', (chunk: Buffer) => {
    try {
      requestsOf(chunk).forEach(request);
    } catch {
      resetBoth(pair); // Another protocol than the target's URL says: better loud than handed on unread.
    }
  });
  upstream.on('data', (chunk: Buffer) => {
    if (isCut)
      resetBoth(pair); // The server has answered, so it has committed; only now is the answer lost.
    else
      hand(
        toClient,
        client,
        kafka?.answers(chunk, client.localPort ?? 0) ?? chunk,
        passesToClient(),
      );
  });
  for (const [one, other, delay, passes] of [
    [client, upstream, toServer, passesToServer],
    [upstream, client, toClient, passesToClient],
  ] as const) {
    one.on('error', () => undefined); // `close` follows.
    one.on('close', () => {
      if (passes()) delay(0, () => other.destroySoon());
      else pair.hasHole = true; // The other side is not told of an end either.
    });
  }
}

/** Is this a request that is to be cut, and are cuts of it left? */
function takes(cuts: Map<string, number>, request: Buffer, { asks }: Protocol): boolean {
  for (const [what, left] of cuts) {
    if (left === 0 || !asks(request, what)) continue;
    cuts.set(what, left - 1);
    return true;
  }
  return false;
}

type Delay = (bytes: number, act: () => void) => void;

/** One direction of a connection: whatever the latency becomes meanwhile, nothing overtakes what came before. */
function createDelay(faults: Faults): Delay {
  const waiting: { readonly due: number; readonly act: () => void }[] = [];
  let freeAt = 0; // When the bytes before have been sent.
  const pump = (): void => {
    const [first] = waiting;
    if (!first) return;
    const left = first.due - performance.now();
    if (left > 0) {
      setTimeout(pump, left);
      return;
    }
    waiting.shift();
    first.act();
    pump();
  };
  return (bytes, act) => {
    const { latencyMs, bytesPerSecond } = faults;
    const now = performance.now();
    freeAt = Math.max(now, freeAt) + (bytesPerSecond > 0 ? (bytes / bytesPerSecond) * 1_000 : 0);
    const due = freeAt + latencyMs;
    if (waiting.length === 0 && due <= now) act();
    else if (waiting.push({ due, act }) === 1) pump();
  };
}

function resetBoth({ client, upstream }: Pair): void {
  client.resetAndDestroy();
  upstream.destroy();
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number {
  if (address === null || typeof address === 'string')
    throw new Error('The proxy has no TCP port.');
  return address.port;
}
