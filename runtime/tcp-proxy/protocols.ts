/** How much of a stream a proxy has to understand: where a request ends, and what it asks for. */

/** One protocol, seen from the proxy. */
export interface Protocol {
  /** Bytes of the first request in `stream`; `undefined` while it is not whole. */
  readonly lengthOf: (stream: Buffer) => number | undefined;
  /** Does this request ask for that? */
  readonly asks: (request: Buffer, what: string) => boolean;
  /** Every name that a cut may wait for. */
  readonly names: RegExp;
}

/**
 * MySQL, without TLS and without compression: COM_QUERY, and how the statement ends, since query attributes put bytes
 * before it; a plain search would also hit READ-COMMITTED.
 */
const mysql: Protocol = {
  names: /^(COMMIT|ROLLBACK)$/,
  lengthOf: (stream) =>
    stream.length < 4 ? undefined : whole(stream, stream.readUIntLE(0, 3) + 4),
  asks: (packet, statement) =>
    packet[4] === comQuery && packet.subarray(-statement.length).equals(Buffer.from(statement)),
};
const comQuery = 0x03;

/** Redis: a command is an array of strings, its name the first; `*` is any. Pipelined ones are told apart. */
const redis: Protocol = {
  names: /^(\*|[A-Z]+)$/,
  lengthOf(stream) {
    const head = line(stream, 0);
    if (!head) return undefined;
    let at = head.end;
    for (let left = head.count; left > 0; left -= 1) {
      const part = line(stream, at);
      if (!part) return undefined;
      at = part.end + part.count + crlf.length;
    }
    return whole(stream, at);
  },
  asks(command, name) {
    if (name === '*') return true;
    const length = line(command, line(command, 0)?.end ?? 0);
    return (
      length !== undefined &&
      command.toString('latin1', length.end, length.end + length.count).toUpperCase() === name
    );
  },
};
const crlf = '\r\n';

/** `*3` or `$12` and its line's end: the number, and where what it counts begins. */
function line(stream: Buffer, at: number) {
  const end = stream.indexOf(crlf, at);
  if (end < 0) return undefined;
  const count = Number(stream.toString('latin1', at + 1, end));
  if (!Number.isInteger(count)) throw new Error('Not a command of Redis.');
  return { count, end: end + crlf.length };
}

/** Kafka: a length, then the number of the API. */
const kafka: Protocol = {
  names: /^(Produce|Fetch|Metadata|OffsetCommit)$/,
  lengthOf: (stream) => (stream.length < 4 ? undefined : whole(stream, stream.readInt32BE(0) + 4)),
  asks: (request, name) => request.readInt16BE(4) === kafkaApis[name as keyof typeof kafkaApis],
};
const kafkaApis = { Produce: 0, Fetch: 1, Metadata: 3, OffsetCommit: 8, FindCoordinator: 10 };

/** Nothing is known: what comes is handed on as it comes. Temporal's gRPC compresses its headers, HTTP is not asked for. */
const opaque: Protocol = {
  names: /^$/,
  lengthOf: (stream) => stream.length || undefined,
  asks: () => false,
};

/** @param scheme of the target's URL. */
export const protocolOf = (scheme: string): Protocol =>
  ({ 'mysql:': mysql, 'redis:': redis, 'kafka:': kafka })[scheme] ?? opaque;

const whole = (stream: Buffer, bytes: number): number | undefined =>
  stream.length < bytes ? undefined : bytes;

/** Cuts a stream into its requests; what is not whole yet waits for the rest. */
export function createFramer({ lengthOf }: Protocol): (chunk: Buffer) => readonly Buffer[] {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const requests: Buffer[] = [];
    for (let bytes = lengthOf(rest); bytes !== undefined; bytes = lengthOf(rest)) {
      requests.push(rest.subarray(0, bytes));
      rest = rest.subarray(bytes);
    }
    return requests;
  };
}

/**
 * A broker tells its clients its own address, and they would go round the proxy. So in answers that name brokers
 * (Metadata, FindCoordinator) the port after the host is replaced; the host, of the same length, stays.
 */
export function createKafkaAnswers(broker: { readonly host: string; readonly port: number }) {
  const namesBrokers = new Set<number>([kafkaApis.Metadata, kafkaApis.FindCoordinator]);
  const asked = new Set<number>();
  const split = createFramer(kafka);
  const told = Buffer.concat([Buffer.from(broker.host), int32(broker.port)]);
  return {
    request(request: Buffer): void {
      if (namesBrokers.has(request.readInt16BE(4))) asked.add(request.readInt32BE(8));
    },
    /** The answers in this chunk that are whole. */
    answers: (chunk: Buffer, proxyPort: number): Buffer =>
      Buffer.concat(
        split(chunk).map((answer) =>
          asked.delete(answer.readInt32BE(4)) ? withPort(answer, told, proxyPort) : answer,
        ),
      ),
  };
}

function withPort(answer: Buffer, told: Buffer, port: number): Buffer {
  const changed = Buffer.from(answer);
  for (let at = changed.indexOf(told); at >= 0; at = changed.indexOf(told, at + 1)) {
    changed.writeInt32BE(port, at + told.length - 4);
  }
  return changed;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
