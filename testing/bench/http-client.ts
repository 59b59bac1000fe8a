/** A client that costs little: the generator shares the machine with what it measures. */
import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** What the server asks to be left alone for. */
  readonly retryAfterMs: number | undefined;
}

export interface HttpClient {
  /** @throws where no answer comes: then nothing is known of what became of it. */
  call(method: 'GET' | 'POST', url: string, given?: Given): Promise<Answer>;
  close(): void;
}

interface Given {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

/** Above any wait that a server grants. */
const silentMs = 60_000;

/** Connections are kept and as many as there are calls: no call waits for another one here. */
export function createHttpClient(): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 4_096 });
  return {
    call: (method, url, { headers = {}, body } = {}) =>
      new Promise((resolve, reject) => {
        const text = body === undefined ? undefined : JSON.stringify(body);
        const sent = request(
          url,
          {
            ...{ method, agent, timeout: silentMs },
            headers: {
              ...headers,
              ...(text !== undefined && {
                'content-type': 'application/json',
                'content-length': Buffer.byteLength(text),
              }),
            },
          },
          (answer) => {
            const parts: Buffer[] = [];
            answer.on('data', (part: Buffer) => parts.push(part));
            answer.on('error', reject);
            answer.on('end', () =>
              resolve({
                status: answer.statusCode ?? 0,
                text: Buffer.concat(parts).toString('utf8'),
                retryAfterMs: millisecondsOf(answer.headers['retry-after']),
              }),
            );
          },
        );
        sent.on('timeout', () => sent.destroy(new Error(`No answer within ${silentMs} ms.`)));
        sent.on('error', reject);
        sent.end(text);
      }),
    close: () => agent.destroy(),
  };
}

function millisecondsOf(seconds: string | undefined): number | undefined {
  const number = Number(seconds);
  return seconds === undefined || Number.isNaN(number) ? undefined : number * 1_000;
}
