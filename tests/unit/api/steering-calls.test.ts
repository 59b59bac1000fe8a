import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { aRun, fakeApi, type FakeApi } from './fake-api';
import { fakeSteeringCalls } from './fake-steering-calls';

let api: FakeApi;
beforeEach(async () => {
  api = await fakeApi();
  api.rows.set('order:acme.O-1', aRun({ state: 'parked', step: 'releaseStock' }));
  api.rows.set('order:acme.O-2', aRun({ gid: 'order:acme.O-2', state: 'parked', step: 'x' }));
});
afterEach(() => api.api.close());

const retry = (
  key: string,
  { gid = 'order:acme.O-1', payload = {}, owner = 'olga' }: Partial<Asked> = {},
) =>
  api.api.inject({
    method: 'POST',
    url: `/v1/transactions/${gid}/retry`,
    headers: { authorization: api.credential('acme', undefined, owner), 'idempotency-key': key },
    payload,
  });
interface Asked {
  readonly gid: string;
  readonly payload: object;
  readonly owner: string;
}

describe('a steering call that is sent again with its key', () => {
  it('acts once, and is answered with the same bytes, whatever has happened since', async () => {
    const first = await retry('k');
    api.rows.set('order:acme.O-1', aRun({ state: 'parked', step: 'releaseStock', version: 9 }));
    const again = await retry('k');
    expect(api.updates).toHaveLength(1);
    expect(again.statusCode).toBe(first.statusCode);
    expect(again.body).toBe(first.body);
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.headers['content-type']).toBe(first.headers['content-type']);
    expect(api.audited).toHaveLength(2);
  });

  it.each([
    ['another body', { payload: { step: 'releaseStock' } }, '/step'],
    ['another transaction', { gid: 'order:acme.O-2' }, ':gid'],
  ])('is refused with %s, and names the field', async (_what, asked, pointer) => {
    await retry('k');
    const other = await retry('k', asked);
    expect(other.json()).toMatchObject({
      status: 422,
      code: 'idempotency_key_reused',
      errors: expect.arrayContaining([expect.objectContaining({ pointer, code: 'differs' })]),
    });
    expect(api.updates).toHaveLength(1);
  });

  it('is asked anew where it was refused: it may be right later', async () => {
    api.rows.set('order:acme.O-1', aRun({ state: 'running' }));
    expect((await retry('k')).json()).toMatchObject({ code: 'not_parked' });
    api.rows.set('order:acme.O-1', aRun({ state: 'parked', step: 'releaseStock' }));
    expect((await retry('k')).statusCode).toBe(202);
  });

  it('is told as unknown, never as refused, where it took effect and its answer could not be kept', async () => {
    const calls = fakeSteeringCalls();
    const broken = { ...calls, keep: () => Promise.reject(new Error('The server has gone away.')) };
    await api.api.close();
    api = await fakeApi({ steeringCalls: broken });
    api.rows.set('order:acme.O-1', aRun({ state: 'parked', step: 'releaseStock' }));
    expect((await retry('k')).json()).toMatchObject({ status: 503, code: 'outcome_unknown' });
    expect(api.updates).toHaveLength(1);
  });

  it('is another call where another person sends it', async () => {
    await retry('k');
    await retry('k', { owner: 'otto' });
    expect(api.updates).toHaveLength(2);
  });
});
