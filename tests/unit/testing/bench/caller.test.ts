import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';

import { createHttpClient, type HttpClient } from '../../../../testing/bench/http-client';
import { createCaller, notAccepted } from '../../../../testing/bench/load/caller';
import type { Start } from '../../../../testing/bench/load/flows';

type Reply = readonly [status: number, body: object] | 'cut off';
interface Seen {
  readonly method: string | undefined;
  readonly key: string | undefined;
}

const start: Start = {
  ...{ flow: 'transfer', reference: 'L-1', path: '/v1/transfers', body: {} },
  mustBeRefused: false,
};
const row = (state: string) => ({ gid: 'transfer:t.L-1', state });

let server: Server | undefined;
let http: HttpClient | undefined;
afterEach(() => {
  http?.close();
  server?.close();
});

/** An API that gives these replies in their order. What is told to come again may come at once. */
async function callerOf(replies: readonly Reply[]) {
  const seen: Seen[] = [];
  const left = [...replies];
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume();
    seen.push({ method: request.method, key: request.headers['idempotency-key']?.toString() });
    const reply = left.shift() ?? 'cut off';
    if (reply === 'cut off') {
      request.socket.destroy();
      return;
    }
    response.writeHead(reply[0], { 'retry-after': '0' });
    response.end(JSON.stringify(reply[1]));
  };
  const listening = createServer(answer);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  http = createHttpClient();
  const { port } = listening.address() as AddressInfo;
  const apiUrl = `http://127.0.0.1:${port}`;
  const given = { apiUrl, authorization: 'Bearer x', tenant: 't', answersAtOnce: true };
  return { caller: createCaller(http, given), seen };
}

describe('a caller of the load', () => {
  it('sends the same start under the same key until it is accepted, and then waits for its ending', async () => {
    const { caller, seen } = await callerOf([
      [503, {}],
      'cut off',
      [202, row('accepted')],
      [200, row('completed')],
    ]);
    const played = await caller.play(start);
    expect(played).toMatchObject({ gid: row('').gid, ending: 'completed', retries: 2 });
    expect(seen.map(({ method }) => method)).toEqual(['POST', 'POST', 'POST', 'GET']);
    expect(seen.slice(0, 3).map(({ key }) => key)).toEqual(['t-L-1', 't-L-1', 't-L-1']);
  });

  it('knows the ending from the first answer where that tells it', async () => {
    const { caller, seen } = await callerOf([[200, row('compensated')]]);
    expect(await caller.play(start)).toMatchObject({ ending: 'compensated', retries: 0 });
    expect(seen).toHaveLength(1);
  });

  it('takes a parked transaction for one that waits for a person, and asks no more', async () => {
    const { caller } = await callerOf([[202, row('parked')]]);
    expect(await caller.play(start)).toMatchObject({ ending: 'parked' });
  });

  it('never counts as acknowledged what was refused', async () => {
    const { caller, seen } = await callerOf([[422, { code: 'x' }]]);
    const { gid, ending } = await caller.play(start);
    expect(gid).toBeUndefined();
    expect(ending).toContain('422');
    expect(ending).not.toBe(notAccepted);
    expect(seen).toHaveLength(1);
  });
});
