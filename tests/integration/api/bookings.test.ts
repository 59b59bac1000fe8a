import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { testIssuer, type TestIssuer } from '../../unit/api/tokens';
import { anOrder, aReference, deadPort, ownApis, type OwnApi, type OwnApis } from './own-api';

let apis: OwnApis;
let issuer: TestIssuer;
/** Nothing here needs Temporal: the transactions have ended. */
let api: OwnApi;
let alice: string;
let bob: string;

beforeAll(async () => {
  apis = await ownApis();
  issuer = await testIssuer();
  api = await apis.start({
    ...issuer.variables,
    OPERATIONS_PER_SECOND: '100000',
    TEMPORAL_ADDRESS: deadPort,
  });
  [alice, bob] = [await person('alice'), await person('bob')];
});
afterAll(() => apis.close());

const person = async (sub: string): Promise<string> =>
  `Bearer ${await issuer.token({ sub, scope: 'ops tx:read', tenants: ['acme'] })}`;
const post = (as: string, url: string, payload: object = {}) =>
  api.api.inject({
    method: 'POST',
    url,
    headers: { authorization: as, 'idempotency-key': aReference() },
    payload,
  });
const get = async <Body>(url: string): Promise<Body> =>
  (await api.api.inject({ url, headers: { authorization: alice } })).json<Body>();
type Answer = Awaited<ReturnType<typeof post>>;
const codeOf = (answer: Answer): unknown =>
  answer.statusCode < 400 ? answer.statusCode : answer.json<{ code: unknown }>().code;

const held = [{ kind: 'hold', currency: 'EUR', minorUnits: 1_500_000 }];
const pieces = [{ kind: 'stock', sku: 'acme.S-1', quantity: 2 }];
const resolution = (step: string, amounts: object, decision = 'skip') => ({
  ...{ step, branch: step, decision, amounts, booked: null },
  ...{ by: 'alice', consent: { kind: 'approved', by: 'bob', approval: '01M' } },
  evidence: { kind: 'ticket', ref: 'OPS-1', note: null },
  decidedAt: '2026-01-01T00:00:00.000Z',
});

/** An order that has ended as its workflow writes it, version 7. */
async function ended(...resolutions: readonly ReturnType<typeof resolution>[]): Promise<string> {
  const orderId = aReference();
  await post(await api.credential(), '/v1/orders', anOrder(orderId));
  const atRisk = resolutions.flatMap(({ decision, amounts }) =>
    decision === 'skip' ? amounts : [],
  );
  const reason = { code: 'cancelled', step: null, detail: 'Asked by carol.' };
  await apis.sql(
    `UPDATE runs SET state = 'compensated', reason = 'cancelled', version = 7, ended_at = UTC_TIMESTAMP(3), ending = ?,
       start_confirmed_at = UTC_TIMESTAMP(3), at_risk = ?, at_risk_currency = 'EUR', at_risk_minor = 1500000,
       by_hand = ?, resolved_by_hand = ? WHERE reference = ?`,
    [
      JSON.stringify({ state: 'compensated', reason, steps: [] }),
      JSON.stringify(atRisk),
      resolutions.some(({ decision }) => decision === 'skip') ? 'open' : 'closed',
      JSON.stringify(resolutions),
      orderId,
    ],
  );
  return `order:acme.${orderId}`;
}
const evidence = { kind: 'booking', ref: 'GL-42' };
const book = (as: string, gid: string, step: string, version = 7) =>
  post(as, `/v1/transactions/${gid}/book`, { step, expect: { version }, evidence });
const listed = async (filter: string): Promise<readonly string[]> =>
  (await get<{ items: { gid: string }[] }>(`/v1/transactions?${filter}&limit=100`)).items.map(
    ({ gid }) => gid,
  );

describe('an ending that was resolved by hand', () => {
  it('says so in its row, its list, its sentence and the health page, with what is still held', async () => {
    const gid = await ended(resolution('holdFunds', held));
    expect(await get(`/v1/transactions/${gid}`)).toMatchObject({
      state: 'compensated',
      atRisk: held,
      resolvedByHand: {
        state: 'open',
        steps: [{ step: 'holdFunds', decision: 'skip', by: 'alice', amounts: held, booked: null }],
      },
    });
    expect(await listed('resolvedByHand=open&currency=EUR&minAtRisk=1500000')).toContain(gid);
    expect(await listed('resolvedByHand=closed')).not.toContain(gid);
    const story = await get<{ summary: string }>(`/v1/transactions/${gid}/explain`);
    expect(story).toMatchObject({ atRisk: held, resolvedByHand: [{ step: 'holdFunds' }] });
    expect(story.summary).toContain('Compensated, but not as if it had not happened');
    expect(story.summary).toContain('Nobody has booked what holdFunds left.');
    const { unbooked } = await api.dependencies.runs.attention();
    expect(unbooked).toBeGreaterThan(0);
  });

  it('stays at risk until two persons say that the money is booked, once, and tells Kafka', async () => {
    const gid = await ended(resolution('holdFunds', held));
    const question = await book(alice, gid, 'holdFunds');
    expect(question.statusCode).toBe(202);
    const { id, ...asked } = question.json<{ id: string; rule: string }>();
    expect(asked).toMatchObject({
      rule: 'books_money',
      action: { kind: 'bookStep', gid, version: 7, step: 'holdFunds', amounts: held },
    });
    expect(await listed('resolvedByHand=open')).toContain(gid);
    expect(codeOf(await post(alice, `/v1/approvals/${id}/approve`))).toBe('second_person_required');
    const approvals = await Promise.all(
      [1, 2, 3].map(() => post(bob, `/v1/approvals/${id}/approve`)),
    );
    expect(approvals.map(codeOf)).toEqual([200, 200, 200]);
    expect(await get(`/v1/transactions/${gid}`)).toMatchObject({
      version: 8,
      atRisk: [],
      resolvedByHand: {
        state: 'closed',
        steps: [
          {
            booked: {
              by: 'alice',
              consent: { kind: 'approved', by: 'bob', approval: id },
              evidence: { kind: 'booking', ref: 'GL-42', note: null },
            },
          },
        ],
      },
    });
    expect(await listed('resolvedByHand=open')).not.toContain(gid);
    const { summary } = await get<{ summary: string }>(`/v1/transactions/${gid}/explain`);
    expect(summary).toContain('alice booked what holdFunds left (booking GL-42), approved by bob.');
    const events = await apis.sql(
      `SELECT sequence, payload FROM outbox WHERE gid = ? AND type = 'transaction.booked'`,
      [gid],
    );
    expect(events).toMatchObject([{ sequence: 8, payload: { step: 'holdFunds', atRisk: [] } }]);
  });

  it('is booked by one person where no money is held, and by the same call again', async () => {
    const gid = await ended(resolution('reserveStock', pieces));
    expect(codeOf(await book(alice, gid, 'reserveStock'))).toBe(200);
    expect(codeOf(await book(alice, gid, 'reserveStock'))).toBe(200);
    expect(codeOf(await book(bob, gid, 'reserveStock', 8))).toBe('nothing_to_book');
  });

  it('keeps at risk what is not booked yet', async () => {
    const gid = await ended(resolution('reserveStock', pieces), resolution('holdFunds', held));
    expect(codeOf(await book(alice, gid, 'reserveStock'))).toBe(200);
    expect(await get(`/v1/transactions/${gid}`)).toMatchObject({
      atRisk: held,
      resolvedByHand: { state: 'open' },
    });
  });

  it('refuses what nobody has skipped, what was done by hand, and a version that has moved', async () => {
    const gid = await ended(resolution('holdFunds', held), resolution('coupon', [], 'done'));
    expect(codeOf(await book(alice, gid, 'createOrder'))).toBe('nothing_to_book');
    expect(codeOf(await book(alice, gid, 'coupon'))).toBe('nothing_to_book');
    expect(codeOf(await book(alice, gid, 'holdFunds', 6))).toBe('state_changed');
    expect(codeOf(await book(await api.credential('globex'), gid, 'holdFunds'))).toBe('not_found');
    expect((await get<{ version: number }>(`/v1/transactions/${gid}`)).version).toBe(7);
  });
});
