import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';

import { anOrder, aRun, aTemporal, fakeApi, type FakeApi } from './fake-api';

describe('a connection on which no request arrives as it should', () => {
  let api: FakeApi;
  let port: number;
  beforeAll(async () => {
    api = await fakeApi();
    // Shipped: 10 s. The server looks once a second, whatever the timeout is.
    api.api.server.headersTimeout = 200;
    await api.api.listen({ host: '127.0.0.1', port: 0 });
    ({ port } = api.api.server.address() as AddressInfo);
  });
  afterAll(() => api.api.close());

  /** What comes back for these bytes, until the server closes or a whole answer is there. */
  const exchange = (sent: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let received = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(sent));
      const isWhole = () => {
        const [head = '', body = ''] = received.split('\r\n\r\n');
        const length = /content-length: (\d+)/i.exec(head)?.[1];
        return length !== undefined && Buffer.byteLength(body) >= Number(length);
      };
      socket.setEncoding('utf8').on('data', (data: string) => {
        received += data;
        if (isWhole()) socket.destroy();
      });
      socket.on('close', () => resolve(received)).on('error', reject);
    });
  const expectProblem = (answer: string, status: number, code: string): void => {
    expect(answer.slice(0, 13)).toBe(`HTTP/1.1 ${status} `);
    expect(answer.toLowerCase()).toContain('content-type: application/problem+json');
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ status, code });
  };

  it('is told that headers are too large', async () => {
    const answer = await exchange(
      `GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`,
    );
    expectProblem(answer, 431, 'headers_too_large');
  });

  it('is told that this is not HTTP', async () => {
    expectProblem(await exchange('Hello?\r\n\r\n'), 400, 'bad_http');
    expectProblem(
      await exchange('GET /livez HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n'),
      400,
      'bad_http',
    );
  });

  it('is told that its headers came too slowly', async () => {
    expectProblem(await exchange('GET /livez HTTP/1.1\r\nHost: x\r\n'), 408, 'request_timeout');
  });

  it('is told that an expectation cannot be met', async () => {
    const answer = await exchange('GET /livez HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n');
    expectProblem(answer, 417, 'expectation_failed');
  });

  it('is told that a body is longer than was agreed before it is read', async () => {
    const head = `POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: ${api.credential()}\r\nIdempotency-Key: k\r\n`;
    const answer = await exchange(
      `${head}Content-Type: application/json\r\nContent-Length: 70000\r\n\r\n{`,
    );
    expectProblem(answer, 413, 'body_too_large');
  });
});

describe('a shutdown', () => {
  it('falls from readiness first, then refuses starts and ends waits, and finishes what is in hand', async () => {
    const api = await fakeApi();
    api.rows.set('order:acme.O-1', aRun());
    const headers = { authorization: api.credential(), 'idempotency-key': 'k' };
    const start = () =>
      api.api.inject({ method: 'POST', url: '/v1/orders?dryRun=true', headers, payload: {} });
    const wait = api.api.inject({
      url: '/v1/transactions/order:acme.O-1',
      headers: { ...headers, prefer: 'wait=30' },
    });
    api.beUnready();
    expect((await api.api.inject({ url: '/readyz' })).statusCode).toBe(503);
    expect((await api.api.inject({ url: '/livez' })).statusCode).toBe(200);
    expect((await start()).statusCode).toBe(400);
    api.stopTakingStarts();
    expect((await start()).json()).toMatchObject({ code: 'stopping', retryable: true });
    expect((await wait).json()).toMatchObject({ state: 'running' });
    expect((await api.api.inject({ url: '/v1/transactions', headers })).statusCode).toBe(200);
    await api.api.close();
  });
});

describe('overload', () => {
  it('sheds starts above the bound of those in hand, with a time to come back, and nothing else', async () => {
    let answer: () => void = () => undefined;
    let isBegun: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (isBegun = resolve));
    const unanswered = (): Promise<void> => {
      isBegun();
      return new Promise((resolve) => (answer = resolve));
    };
    const temporal = aTemporal({ start: unanswered });
    const api = await fakeApi({ temporal }, { STARTS_IN_HAND_MAX: '1' });
    const headers = { authorization: api.credential(), 'idempotency-key': 'k' };
    const start = (orderId: string) =>
      api.api.inject({ method: 'POST', url: '/v1/orders', headers, payload: anOrder({ orderId }) });
    const first = start('O-1');
    await begun;
    const shed = await start('O-2');
    expect(shed.json()).toMatchObject({ status: 503, code: 'overloaded', retryable: true });
    expect(Number(shed.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(Number(shed.headers['retry-after'])).toBeLessThanOrEqual(5);
    expect((await api.api.inject({ url: '/v1/transactions', headers })).statusCode).toBe(200);
    answer();
    expect((await first).statusCode).toBe(202);
    await api.api.close();
  });
});
