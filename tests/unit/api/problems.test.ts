import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';

import { Problem, problemBody, problems, type ProblemCode } from '../../../api/http/errors';
import { anOrder, fakeApi, type FakeApi } from './fake-api';

const problemSchema = z.object({
  title: z.string(),
  detail: z.string().optional(),
  errors: z
    .array(z.object({ pointer: z.string(), code: z.string(), message: z.string() }))
    .default([]),
});

describe('a problem', () => {
  it.each(Object.keys(problems) as ProblemCode[])('says nothing twice: %s', (code) => {
    const { title, detail } = problemSchema.parse(problemBody(new Problem(code), 'request-1'));
    expect(detail).not.toBe(title);
  });

  let api: FakeApi;
  beforeAll(async () => {
    api = await fakeApi();
  });
  afterAll(() => api.api.close());

  const startOrder = async (payload: unknown, headers: Record<string, string> = {}) => {
    const answer = await api.api.inject({
      method: 'POST',
      url: '/v1/orders',
      headers: {
        authorization: api.credential(),
        'idempotency-key': 'k-1',
        'content-type': 'application/json',
        ...headers,
      },
      payload: JSON.stringify(payload),
    });
    return { status: answer.statusCode, ...problemSchema.parse(answer.json()) };
  };

  it('names each field that does not fit in plain words, an unknown one by its own pointer', async () => {
    const { customerId, ...order } = anOrder();
    expect(customerId).toBeDefined();
    const line = { sku: 'S 1', quantity: 0, unitPrice: { currency: 'euro', minorUnits: '1' } };
    const answer = await startOrder({ ...order, lines: [line, 'x'], deadlineMs: '5', note: 'x' });
    expect(answer.status).toBe(400);
    const phrases = Object.fromEntries(
      answer.errors.map(({ pointer, message }) => [pointer, message]),
    );
    expect(phrases).toEqual({
      '/customerId': 'is missing',
      '/lines/0/sku':
        'must be 1 to 64 letters, digits, dots, dashes, underscores or tildes, and neither . nor ..',
      '/lines/0/quantity': 'must be at least 1',
      '/lines/0/unitPrice/currency': 'must be three capital letters, such as EUR',
      '/lines/0/unitPrice/minorUnits': 'must be a number',
      '/lines/1': 'must be an object',
      '/deadlineMs': 'must be a number',
      '/note': 'is not a field of this request',
    });
    expect(answer.detail).toContain('/customerId: is missing');
    expect(answer.detail).toContain('(and 5 more)');
  });

  it('names the value of a currency, a line and a deadline that cannot mean anything', async () => {
    const { lines, ...order } = anOrder();
    const [line] = lines;
    const twice = await startOrder({ ...order, lines: [line, line], deadlineMs: 5 });
    expect(twice.errors).toContainEqual(
      expect.objectContaining({ message: expect.stringContaining(`names ${line?.sku ?? ''}`) }),
    );
    expect(twice.errors).toContainEqual(
      expect.objectContaining({ message: expect.stringContaining('is 5, and must be from') }),
    );
    const foreign = { ...line, unitPrice: { currency: 'USD', minorUnits: 625 } };
    expect((await startOrder({ ...order, lines: [foreign] })).errors).toContainEqual({
      pointer: '/lines/0/unitPrice/currency',
      code: 'currency_mixed',
      message: 'is USD, and the payment is in EUR',
    });
    const payment = { ...order.payment, amount: { currency: 'QQQ', minorUnits: 1 } };
    expect((await startOrder({ ...order, lines, payment })).errors).toContainEqual(
      expect.objectContaining({ message: expect.stringContaining('names QQQ') }),
    );
  });

  it('says the limit that was passed, and the methods that a route takes', async () => {
    const large = await startOrder({ ...anOrder(), note: 'x'.repeat(70_000) });
    expect(large).toMatchObject({ status: 413, detail: 'At most 65536 bytes are taken.' });
    const answer = await api.api.inject({ method: 'DELETE', url: '/v1/orders' });
    expect(answer.statusCode).toBe(405);
    expect(problemSchema.parse(answer.json()).detail).toMatch(/^This route takes (GET|POST|HEAD)/);
  });

  it('refuses a preference that cannot be read, and starts nothing', async () => {
    const answer = await startOrder(anOrder(), { prefer: 'wait=soon' });
    expect(answer).toMatchObject({ status: 400, errors: [{ pointer: 'Prefer' }] });
  });
});
