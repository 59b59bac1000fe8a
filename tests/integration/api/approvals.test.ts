import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { Problem } from '../../../api/http/errors';
import { makerAtHand } from '../../../api/http/authentication';
import { peopleBehind } from '../../../api/http/people';
import { scopes, type Scope } from '../../../api/http/scopes';
import type { Temporal } from '../../../api/transactions/temporal';
import type { ResolveTransaction } from '../../../contracts/engine/transaction';
import { decisions } from '../../../contracts/engine/transaction';
import { readAudits } from '../../../testing/verify/audits';
import { aTimeline } from '../../unit/api/fake-api';
import { testIssuer, type TestIssuer } from '../../unit/api/tokens';
import {
  anApprovalRow,
  anOrder,
  aReference,
  deadPort,
  ownApis,
  type OwnApi,
  type OwnApis,
} from './own-api';

interface Approval {
  readonly id: string;
  readonly state: string;
  readonly rule: string;
  readonly askedBy: string;
  readonly decidedBy: string | null;
}

let apis: OwnApis;
let issuer: TestIssuer;
/** Two processes over the same databases, and over one Temporal that does as it is told. */
let api: OwnApi;
let other: OwnApi;
/** A process whose Temporal is away: what it accepts stays accepted. */
let cut: OwnApi;
let alice: string;
let bob: string;
let carol: string;

/** Decisions that runs have taken, by the name that they came under. */
const taken = new Map<string, ResolveTransaction>();
/** What the next answer is lost by, after the run has taken it. */
let lost: Problem | undefined;
/** Runs as their updates see them: one decision under each name, and the row moves on. */
const temporal: Partial<Temporal> = {
  async resolve(gid, request, updateId) {
    if (taken.has(`${gid} ${updateId}`)) return;
    taken.set(`${gid} ${updateId}`, request);
    await apis.sql(`UPDATE runs SET version = version + 1, state = 'undoing' WHERE gid = ?`, [gid]);
    const problem = lost;
    lost = undefined;
    if (problem) throw problem;
  },
  wasDecided: (gid, updateId) => Promise.resolve(taken.has(`${gid} ${updateId}`)),
  /** Parked where the row says, and whatever is decided there is offered. */
  async timeline(gid) {
    const [run] = await apis.sql('SELECT step FROM runs WHERE gid = ?', [gid]);
    return aTimeline({ [String(run?.['step'])]: decisions });
  },
};

beforeAll(async () => {
  apis = await ownApis();
  issuer = await testIssuer();
  // The limits of a tenant are shared with whatever other test runs beside this one.
  const variables = { ...issuer.variables, OPERATIONS_PER_SECOND: '100000' };
  api = await apis.start(variables, { temporal });
  other = await apis.start(variables, { temporal });
  cut = await apis.start({ TEMPORAL_ADDRESS: deadPort });
  [alice, bob, carol] = [await person('alice'), await person('bob'), await person('carol')];
});
afterAll(() => apis.close());
beforeEach(() => {
  taken.clear();
  lost = undefined;
});

const person = async (sub: string, scope = 'ops tx:read', tenants = ['acme']): Promise<string> =>
  `Bearer ${await issuer.token({ sub, scope, tenants })}`;
const post = (as: string, url: string, payload: object = {}, on = api) =>
  on.api.inject({
    method: 'POST',
    url,
    headers: { authorization: as, 'idempotency-key': aReference() },
    payload,
  });
const get = (as: string, url: string) => api.api.inject({ url, headers: { authorization: as } });
type Answer = Awaited<ReturnType<typeof post>>;
const codeOf = (answer: Answer): unknown =>
  answer.statusCode < 400 ? answer.statusCode : answer.json<{ code: unknown }>().code;

/** An order that is parked at a step, with money at risk. */
async function parked(minorUnits = 1_250, step = 'holdFunds'): Promise<string> {
  const orderId = aReference();
  const owner = await cut.credential();
  await post(owner, '/v1/orders', anOrder(orderId), cut);
  const atRisk = JSON.stringify([{ kind: 'hold', currency: 'EUR', minorUnits }]);
  await apis.sql(
    `UPDATE runs SET state = 'parked', step = ?, version = 4, at_risk = ?, start_confirmed_at = UTC_TIMESTAMP(3)
     WHERE reference = ?`,
    [step, atRisk, orderId],
  );
  return `order:acme.${orderId}`;
}
const evidence = { kind: 'ticket', ref: 'OPS-881' };
const aSkip = { step: 'holdFunds', decision: 'skip', expect: { version: 4 }, evidence };
const skip = (as: string, gid: string, more: object = {}, on = api) =>
  post(as, `/v1/transactions/${gid}/resolve`, { ...aSkip, ...more }, on);
/** A question that waits. */
async function asked(gid: string, as = alice): Promise<Approval> {
  const answer = await skip(as, gid);
  expect(answer.statusCode).toBe(202);
  return answer.json<Approval>();
}
/** A key of one person, made with a credential of another one. */
const keyMadeBy = (maker: string, owner: string, given: readonly Scope[] = scopes) =>
  api.credential('acme', given, owner, makerAtHand(maker));
const approve = (as: string, { id }: { readonly id: string }, on = api) =>
  post(as, `/v1/approvals/${id}/approve`, {}, on);
const reject = (as: string, { id }: { readonly id: string }) =>
  post(as, `/v1/approvals/${id}/reject`, { note: 'Call the bank first.' });
const now = async ({ id }: { readonly id: string }): Promise<Approval> =>
  (await get(carol, `/v1/approvals/${id}`)).json<Approval>();
const auditOf = (gid: string) =>
  apis.sql('SELECT actor, operation, outcome, request FROM audit WHERE gid = ? ORDER BY id', [gid]);

describe('skipping a step that moves money', () => {
  it('waits for a second person, and nothing happens until then', async () => {
    const gid = await parked();
    const answer = await skip(alice, gid);
    expect(answer.statusCode).toBe(202);
    const { id } = answer.json<Approval>();
    expect(answer.headers['location']).toBe(`/v1/approvals/${id}`);
    expect((await get(bob, `/v1/approvals/${id}`)).json()).toMatchObject({
      id,
      state: 'pending',
      rule: 'skips_money',
      askedBy: 'alice',
      action: { kind: 'decideStep', gid, version: 4, step: 'holdFunds', decision: 'skip' },
      links: { transaction: `/v1/transactions/${gid}` },
    });
    expect(taken.size).toBe(0);
    const [run] = await apis.sql('SELECT version FROM runs WHERE gid = ?', [gid]);
    expect(run?.['version']).toBe(4);
  });

  it('is done once another person approves; both stand in the run and in a whole audit', async () => {
    const gid = await parked();
    const question = await asked(gid);
    const answer = await approve(bob, question);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ state: 'done', askedBy: 'alice', decidedBy: 'bob' });
    expect([...taken.values()]).toMatchObject([
      {
        step: 'holdFunds',
        decision: 'skip',
        actor: { subject: 'alice' },
        consent: { kind: 'approved', by: 'bob', approval: question.id },
        evidence,
      },
    ]);
    const audit = await auditOf(gid);
    expect(
      audit.map(({ actor, operation, outcome }) => [actor, operation, outcome].map(String)),
    ).toEqual([
      ['alice', 'POST /v1/transactions/:gid/resolve', '202'],
      ['bob', 'approved decideStep', 'acting'],
      ['bob', 'POST /v1/approvals/:id/approve', '200'],
    ]);
    expect(audit[1]?.['request']).toMatchObject({ askedBy: 'alice', approvedBy: 'bob' });
    const { audit: chain } = await readAudits(apis.databases.urls.VERIFY_DATABASE_URLS);
    expect(chain.broken).toEqual([]);
  });

  it('is not approved by the person who asked, with whatever credential', async () => {
    const question = await asked(await parked());
    const ownKeys = ['alice', 'ALICE'].map((owner) => api.credential('acme', scopes, owner));
    for (const as of [alice, await person('Alice', 'ops ops:breakglass'), ...ownKeys])
      expect(codeOf(await approve(await as, question))).toBe('second_person_required');
    expect([(await now(question)).state, taken.size]).toEqual(['pending', 0]);
    const another = await api.credential('acme', scopes, 'bob');
    expect(codeOf(await approve(another, question))).toBe(200);
  });

  it('is not done by one person who makes a key in another name, whichever way round', async () => {
    // Alone: to ask for a key of another owner is a question itself.
    const mallory = await person('mallory', 'ops admin:keys tx:read');
    const aKey = { owner: 'marvin', scopes: ['ops:resolve', 'ops:approve'] };
    const made = await post(mallory, '/v1/api-keys', aKey);
    expect(made.statusCode).toBe(202);
    const { approval, credential } = made.json<{ approval: Approval; credential: string }>();
    expect(codeOf(await approve(mallory, approval))).toBe('second_person_required');
    // And though another person lets that pass: the key counts as both.
    expect(codeOf(await approve(await person('carol', 'ops admin:keys'), approval))).toBe(200);
    const marvin = `Bearer ${credential}`;
    for (const [asker, approver] of [
      [marvin, mallory],
      [mallory, marvin],
    ] as const) {
      const question = await asked(await parked(), asker);
      expect((await approve(approver, question)).json()).toMatchObject({
        code: 'second_person_required',
        detail: expect.stringContaining('mallory stands behind that and behind this credential'),
      });
      expect([(await now(question)).state, taken.size]).toEqual(['pending', 0]);
    }
    const [row] = await apis.sql('SELECT made_by, people FROM api_keys WHERE owner = ?', [
      'marvin',
    ]);
    expect([String(row?.['made_by']), row?.['people']]).toEqual(['mallory', ['mallory', 'marvin']]);
    const [told] = (await auditOf(await parked())).concat(
      await apis.sql(`SELECT request FROM audit WHERE actor = 'marvin' ORDER BY id LIMIT 1`),
    );
    expect(told?.['request']).toMatchObject({ people: ['mallory', 'marvin'] });
  });

  it('is not approved with a key that was made with a key that the asker has made', async () => {
    const grandchild = await api.credential('acme', scopes, 'robot-2', {
      subject: 'robot-1',
      people: peopleBehind('robot-1', ['alice']),
    });
    const question = await asked(await parked());
    expect(codeOf(await approve(grandchild, question))).toBe('second_person_required');
    expect(codeOf(await approve(await keyMadeBy('bob', 'robot-3'), question))).toBe(200);
  });

  it('is neither asked nor approved with a key of which nobody knows who made it', async () => {
    const old = await api.credential('acme', scopes, 'dave', { subject: 'nobody', people: null });
    const gid = await parked();
    expect(codeOf(await skip(old, gid))).toBe('second_person_required');
    const question = await asked(gid);
    expect(codeOf(await approve(old, question))).toBe('second_person_required');
    expect([(await now(question)).state, taken.size]).toEqual(['pending', 0]);
  });

  it('is approved by nobody who could not have asked for it', async () => {
    const question = await asked(await parked());
    expect(codeOf(await approve(await person('bob', 'ops:approve'), question))).toBe(
      'scope_missing',
    );
    expect((await now(question)).state).toBe('pending');
  });

  it('is not asked for at a step that is not parked, and the asker is told what is', async () => {
    const gid = await parked();
    for (const step of ['banana', 'captureFunds']) {
      const answer = await skip(alice, gid, { step });
      expect([answer.statusCode, answer.json()]).toMatchObject([
        409,
        {
          code: 'decision_not_offered',
          detail: `${step} is not parked. What may be decided: holdFunds: retry, done, skip.`,
        },
      ]);
    }
    expect(await apis.sql('SELECT id FROM approvals WHERE gid = ?', [gid])).toEqual([]);
  });

  it('is done once, however many approve it at once, in several processes', async () => {
    const question = await asked(await parked());
    const answers = await Promise.all(
      [bob, carol, bob, carol, bob, carol].map((as, at) =>
        approve(as, question, at % 2 === 0 ? api : other),
      ),
    );
    expect(answers.map(codeOf)).toEqual([200, 200, 200, 200, 200, 200]);
    expect(taken.size).toBe(1);
    const told = answers.map((answer) => answer.json<Approval>().decidedBy);
    const consents = [...taken.values()].map(({ consent }) => consent);
    expect(consents).toEqual([{ kind: 'approved', by: told[0], approval: question.id }]);
    expect(new Set(told).size).toBe(1);
  });

  it('is void when nobody came in time, and may be asked again', async () => {
    const gid = await parked();
    const question = await asked(gid);
    await apis.sql(
      `UPDATE approvals SET expires_at = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND WHERE id = ?`,
      [question.id],
    );
    expect((await now(question)).state).toBe('expired');
    expect(codeOf(await approve(bob, question))).toBe('state_changed');
    expect(codeOf(await reject(bob, question))).toBe('state_changed');
    expect(taken.size).toBe(0);
    const again = await asked(gid);
    expect(again.id).not.toBe(question.id);
    expect(codeOf(await approve(bob, again))).toBe(200);
  });

  it('is not decided by who has looked in time and spoken too late', async () => {
    const { id } = await asked(await parked());
    await apis.sql('UPDATE approvals SET expires_at = UTC_TIMESTAMP(3) WHERE id = ?', [id]);
    const { approvals } = api.dependencies;
    const verdict = { tenant: 'acme', id, by: 'bob', people: ['bob'], note: null };
    expect([await approvals.approve(verdict), await approvals.reject(verdict)]).toEqual([
      false,
      false,
    ]);
  });

  it('waits for half an hour', async () => {
    const { id } = await asked(await parked());
    const [row] = await apis.sql(
      'SELECT TIMESTAMPDIFF(SECOND, asked_at, expires_at) AS seconds FROM approvals WHERE id = ?',
      [id],
    );
    expect(row?.['seconds']).toBe(1_800);
  });

  it('is void when the transaction has moved since', async () => {
    const gid = await parked();
    const question = await asked(gid);
    await apis.sql('UPDATE runs SET version = version + 1 WHERE gid = ?', [gid]);
    expect((await now(question)).state).toBe('void');
    expect(codeOf(await approve(bob, question))).toBe('state_changed');
    expect(taken.size).toBe(0);
  });

  it.each([
    ['revoked', 'revoked_at = UTC_TIMESTAMP(3)'],
    ['expired', 'expires_at = UTC_TIMESTAMP(3)'],
  ])('is void once the key that asked is %s, and may be asked again', async (_, end) => {
    const gid = await parked();
    const [key, another] = [await keyMadeBy('alice', 'alice'), await keyMadeBy('alice', 'alice')];
    const [question, kept] = [await asked(gid, key), await asked(await parked(), another)];
    const keyId = /acc_(\w{26})/.exec(key)?.[1];
    await apis.sql(`UPDATE api_keys SET ${end} WHERE key_id = ?`, [keyId]);
    expect((await now(question)).state).toBe('void');
    const answer = await approve(bob, question);
    expect([answer.statusCode, answer.json()]).toMatchObject([
      409,
      {
        code: 'state_changed',
        detail: 'The key that asked has been revoked or has expired: ask again.',
      },
    ]);
    expect(codeOf(await reject(bob, question))).toBe('state_changed');
    expect(taken.size).toBe(0);
    const again = await asked(gid);
    expect(again.id).not.toBe(question.id);
    for (const open of [again, kept]) expect(codeOf(await approve(bob, open))).toBe(200);
  });

  it('is not approved by who has looked before its key was revoked, and spoken after that', async () => {
    const key = await keyMadeBy('alice', 'alice');
    const { id } = await asked(await parked(), key);
    const keyId = /acc_(\w{26})/.exec(key)?.[1];
    await apis.sql('UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE key_id = ?', [keyId]);
    const verdict = { tenant: 'acme', id, by: 'bob', people: ['bob'], note: null };
    expect(await api.dependencies.approvals.approve(verdict)).toBe(false);
  });

  it('is void when the transaction moves between the approval and the act', async () => {
    const gid = await parked();
    const question = await asked(gid);
    // As a process leaves it that died in between.
    await apis.sql(
      `UPDATE approvals SET state = 'approved', decided_by = 'bob', decided_people = '["bob"]' WHERE id = ?`,
      [question.id],
    );
    await apis.sql('UPDATE runs SET version = version + 1 WHERE gid = ?', [gid]);
    expect(codeOf(await approve(bob, question))).toBe('state_changed');
    expect([(await now(question)).state, taken.size]).toEqual(['void', 0]);
  });

  it('is not done once it was rejected', async () => {
    const gid = await parked();
    const question = await asked(gid);
    expect((await reject(bob, question)).json()).toMatchObject({
      state: 'rejected',
      decidedBy: 'bob',
      note: 'Call the bank first.',
    });
    expect(codeOf(await approve(carol, question))).toBe('state_changed');
    expect(taken.size).toBe(0);
    expect((await asked(gid)).id).not.toBe(question.id);
  });

  it('may be taken back by the person who asked', async () => {
    const question = await asked(await parked());
    expect(codeOf(await reject(alice, question))).toBe(200);
    expect(codeOf(await approve(bob, question))).toBe('state_changed');
  });

  it('is completed by a third person where a process died between the approval and the act', async () => {
    const question = await asked(await parked());
    await apis.sql(
      `UPDATE approvals SET state = 'approved', decided_by = 'bob', decided_people = '["bob"]' WHERE id = ?`,
      [question.id],
    );
    expect(codeOf(await approve(alice, question))).toBe('second_person_required');
    expect(taken.size).toBe(0);
    expect(codeOf(await approve(carol, question, other))).toBe(200);
    expect([...taken.values()]).toMatchObject([{ consent: { by: 'bob' } }]);
    expect(await now(question)).toMatchObject({ state: 'done', decidedBy: 'bob' });
  });

  it('is not done again where its answer was lost, and is known as done when it is asked again', async () => {
    const question = await asked(await parked());
    lost = new Problem('outcome_unknown');
    expect(codeOf(await approve(bob, question))).toBe('outcome_unknown');
    expect([(await now(question)).state, taken.size]).toEqual(['approved', 1]);
    expect(codeOf(await approve(bob, question))).toBe(200);
    expect([(await now(question)).state, taken.size]).toEqual(['done', 1]);
    expect(codeOf(await approve(carol, question))).toBe(200);
    expect(taken.size).toBe(1);
  });

  it('is one question, however often the same person asks it', async () => {
    const gid = await parked();
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, at) => skip(alice, gid, {}, at % 2 === 0 ? api : other)),
    );
    const ids = new Set(answers.map((answer) => answer.json<Approval>().id));
    expect([answers.map(codeOf), ids.size]).toEqual([[202, 202, 202, 202, 202, 202], 1]);
    expect((await asked(gid, bob)).id).not.toBe([...ids][0]);
  });

  it('wants the scope to approve, which the one to resolve is not', async () => {
    const question = await asked(await parked());
    const resolver = await person('bob', 'ops:resolve tx:read');
    for (const answer of [
      await approve(resolver, question),
      await reject(resolver, question),
      await get(resolver, '/v1/approvals'),
      await get(resolver, `/v1/approvals/${question.id}`),
    ])
      expect(codeOf(answer)).toBe('scope_missing');
    expect(taken.size).toBe(0);
  });

  it('is nothing to an operator of another tenant', async () => {
    const question = await asked(await parked());
    const stranger = await person('bob', 'ops', ['globex']);
    const unknown = await get(stranger, '/v1/approvals/Q-unknown');
    const same = (body: string) => body.replace(/urn:accord:request:\w+/, '');
    for (const answer of [
      await get(stranger, `/v1/approvals/${question.id}`),
      await approve(stranger, question),
      await reject(stranger, question),
    ]) {
      expect(answer.statusCode).toBe(404);
      expect(same(answer.body)).toBe(same(unknown.body));
    }
    expect((await get(stranger, '/v1/approvals')).json()).toEqual({ items: [], nextCursor: null });
    expect([(await now(question)).state, taken.size]).toEqual(['pending', 0]);
  });
});

describe('an amount at risk', () => {
  const retry = (gid: string, more: object = {}) =>
    post(alice, `/v1/transactions/${gid}/retry`, { expect: { version: 4 }, ...more });

  it('below the threshold is the decision of one person', async () => {
    const gid = await parked(999_999);
    expect(codeOf(await retry(gid))).toBe(202);
    expect([...taken.values()]).toMatchObject([{ decision: 'retry', actor: { subject: 'alice' } }]);
    expect([...taken.values()][0]).not.toHaveProperty('consent');
  });

  it('at the threshold is the decision of two, a retry and what is done by hand alike', async () => {
    const gid = await parked(1_000_000);
    for (const answer of [await retry(gid), await skip(alice, gid, { decision: 'done' })])
      expect(answer.json()).toMatchObject({ state: 'pending', rule: 'amount_at_risk' });
    expect(taken.size).toBe(0);
    const { items } = (await get(bob, '/v1/approvals?state=pending&limit=1')).json<{
      items: Approval[];
    }>();
    for (const question of items) expect(codeOf(await approve(bob, question))).toBe(200);
    expect([...taken.values()]).toMatchObject([{ decision: 'done', consent: { by: 'bob' } }]);
  });

  it('at the threshold is passed over by a retry of many', async () => {
    const [much, little] = [await parked(1_000_000, 'manyStep'), await parked(5, 'manyStep')];
    const filter = { step: 'manyStep' };
    const answer = await post(alice, '/v1/transactions/retry', { reason: 'It is back.', filter });
    expect(answer.json()).toEqual({
      retried: 1,
      skipped: [{ gid: much, code: 'second_person_required' }],
      nextCursor: null,
    });
    expect([...taken.keys()].map((name) => name.split(' ')[0])).toEqual([little]);
  });
});

describe('breaking the glass', () => {
  const breakGlass = { reason: 'The bank closes in five minutes.' };

  it('acts at once, alone, and says so in the run, in the audit and in a metric', async () => {
    const gid = await parked();
    const dave = await person('dave', 'ops ops:breakglass');
    const before = await broken();
    expect(codeOf(await skip(dave, gid, { breakGlass }))).toBe(202);
    expect([...taken.values()]).toMatchObject([
      { actor: { subject: 'dave' }, consent: { kind: 'brokenGlass', ...breakGlass } },
    ]);
    const [first] = await auditOf(gid);
    expect(String(first?.['operation'])).toBe('broke the glass for decideStep');
    expect(first?.['request']).toMatchObject(breakGlass);
    expect(await broken()).toBe(before + 1);
  });

  const broken = async (): Promise<number> =>
    (await api.metrics.brokenGlass.get()).values.reduce((sum, { value }) => sum + value, 0);

  it('wants its own scope, and a reason', async () => {
    const gid = await parked();
    expect(codeOf(await skip(alice, gid, { breakGlass }))).toBe('scope_missing');
    const dave = await person('dave', 'ops ops:breakglass');
    for (const empty of [{}, { reason: '' }])
      expect(codeOf(await skip(dave, gid, { breakGlass: empty }))).toBe('invalid_request');
    expect(taken.size).toBe(0);
    expect((await asked(gid, dave)).state).toBe('pending'); // Who may break it need not.
  });
});

describe('a key that would make one person two', () => {
  const make = async (granted: readonly Scope[]) => {
    const admin = await person('alice', 'ops admin:keys');
    return post(admin, '/v1/api-keys', { owner: 'robot', scopes: granted });
  };
  const use = async (credential: string, on = api) => {
    const headers = { authorization: `Bearer ${credential}` };
    return (await on.api.inject({ url: '/v1/api-keys', headers })).statusCode;
  };

  it('opens nothing until another person has approved it, and is made once', async () => {
    const answer = await make(['admin:keys']);
    expect(answer.statusCode).toBe(202);
    const { approval, credential } = answer.json<{ approval: Approval; credential: string }>();
    expect(answer.headers['location']).toBe(`/v1/approvals/${approval.id}`);
    const secret = credential.slice(-43);
    expect((await get(bob, `/v1/approvals/${approval.id}`)).body).not.toContain(secret);
    expect(codeOf(await approve(alice, approval))).toBe('second_person_required');
    expect(await use(credential)).toBe(401);
    const admins = await Promise.all(['bob', 'carol'].map((one) => person(one, 'ops admin:keys')));
    const answers = await Promise.all(admins.map((as) => approve(as, approval, other)));
    expect(answers.map(codeOf)).toEqual([200, 200]);
    const rows = await apis.sql('SELECT scopes FROM api_keys WHERE owner = ?', ['robot']);
    expect(rows).toEqual([{ scopes: ['admin:keys'] }]);
    expect(await use(credential, other)).toBe(200);
  });

  it('is not made once the key that asked for it is revoked', async () => {
    const admin = await keyMadeBy('alice', 'alice', ['admin:keys']);
    const answer = await post(admin, '/v1/api-keys', { owner: 'heir', scopes: ['admin:keys'] });
    const { approval } = answer.json<{ approval: Approval }>();
    const keyId = /acc_(\w{26})/.exec(admin)?.[1] ?? '';
    const revoked = await api.api.inject({
      method: 'DELETE',
      url: `/v1/api-keys/${keyId}`,
      headers: { authorization: admin, 'idempotency-key': aReference() },
    });
    expect(revoked.statusCode).toBe(204);
    const approver = await person('bob', 'ops admin:keys');
    expect(codeOf(await approve(approver, approval, other))).toBe('state_changed');
    expect((await now(approval)).state).toBe('void');
    expect(await apis.sql(`SELECT key_id FROM api_keys WHERE owner = 'heir'`)).toEqual([]);
  });

  it.each([
    'ops:approve',
    'ops:breakglass',
    'ops:resolve',
    'ops:failover',
    'payments:review',
    'admin:keys',
  ] as const)('may also be one of the own name with %s', async (scope) => {
    const admin = await issuer.token({
      scope: 'ops ops:breakglass admin:keys payments:review',
      ...(scope === 'ops:failover' && { tenants: [], clusters: ['main'] }),
    });
    const body = { owner: 'alice', scopes: [scope] };
    const answer = await post(`Bearer ${admin}`, '/v1/api-keys', body);
    expect(answer.json()).toMatchObject({ approval: { rule: 'grants_power', state: 'pending' } });
  });

  it('is one, however often it is asked for with one key, and its secret is told once', async () => {
    const admin = await person('alice', 'ops admin:keys');
    const send = (payload: object, key: string) =>
      api.api.inject({
        method: 'POST',
        url: '/v1/api-keys',
        headers: { authorization: admin, 'idempotency-key': key },
        payload,
      });
    const own = { owner: 'alice', scopes: ['ops:read'] };
    const others = { owner: 'shop-9', scopes: ['ops:read'] };
    for (const [body, status] of [
      [own, 201],
      [others, 202],
    ] as const) {
      const key = aReference();
      const answers = await Promise.all([1, 2, 3].map(() => send(body, key)));
      answers.push(await send(body, key));
      expect(answers.map(({ statusCode }) => statusCode)).toEqual(answers.map(() => status));
      const told = answers.map((answer) => answer.json<{ credential: string | null }>().credential);
      expect(told.filter((credential) => credential !== null)).toHaveLength(1);
      expect(answers.at(-1)?.headers['idempotent-replayed']).toBe('true');
    }
    const counted = await apis.sql(
      `SELECT (SELECT COUNT(*) FROM api_keys WHERE made_by = 'alice' AND owner = 'alice') AS made,
         (SELECT COUNT(*) FROM approvals WHERE action->>'$.owner' = 'shop-9') AS asked`,
    );
    expect(counted).toEqual([{ made: 1, asked: 1 }]);
    const key = aReference();
    expect((await send(others, key)).statusCode).toBe(202);
    for (const grant of [
      own,
      { ...others, owner: 'shop-8' },
      { ...others, scopes: ['ops:approve'] },
    ])
      expect(codeOf(await send(grant, key))).toBe('idempotency_key_reused');
    const made = aReference();
    await send(own, made);
    expect(codeOf(await send({ ...own, scopes: ['ops:approve'] }, made))).toBe(
      'idempotency_key_reused',
    );
  });

  it('is not said to be made where another one was made for its call', async () => {
    const admin = await person('alice', 'ops admin:keys');
    const aKey = { owner: 'twin', scopes: ['ops:read'] };
    const { approval } = (await post(admin, '/v1/api-keys', aKey)).json<{
      approval: Approval & { action: { keyId: string } };
    }>();
    const { keyId } = approval.action;
    await apis.sql(
      `INSERT INTO api_keys (key_id, realm, tenant, owner, people, secret_sha256, scopes, created_at)
       VALUES (?, 'tenant', 'acme', 'alice', '["alice"]', ?, '["ops:read"]', UTC_TIMESTAMP(3))`,
      [keyId, Buffer.alloc(32, 7)],
    );
    const approver = await person('bob', 'ops admin:keys');
    expect(codeOf(await approve(approver, approval))).toBe('state_changed');
    expect((await now(approval)).state).toBe('void');
  });

  it('may be any of another name, and is none of the own name with less than that', async () => {
    expect((await make(['ops:read'])).json()).toMatchObject({
      approval: { rule: 'for_another', state: 'pending' },
    });
    const admin = await person('alice', 'ops admin:keys');
    const own = await post(admin, '/v1/api-keys', { owner: 'Alice', scopes: ['ops:read'] });
    expect([own.statusCode, own.json()]).toMatchObject([201, { owner: 'Alice', madeBy: 'alice' }]);
  });

  it.each([
    ['in letters of more than one byte', 'ü'.repeat(100)],
    ['with a letter that only looks like one', 'alicе'],
    ['with a space', 'alice smith'],
    ['that is too long', 'a'.repeat(129)],
    ['that is empty', ''],
  ])('is refused with the field, for an owner %s', async (_, owner) => {
    const admin = await person('alice', 'ops admin:keys');
    const answer = await post(admin, '/v1/api-keys', { owner, scopes: ['ops:read'] });
    expect([answer.statusCode, answer.json()]).toMatchObject([
      422,
      { code: 'unprocessable', errors: [{ pointer: '/owner', code: 'not_visible_ascii' }] },
    ]);
  });
});

describe('questions to a second person', () => {
  it('are bounded, for each tenant', async () => {
    const many = Array.from({ length: 100 }, (_, at) => `Q-full-${String(at).padStart(3, '0')}`);
    for (const id of many)
      await apis.insert('accord.approvals', anApprovalRow(id, { tenant: 'full' }));
    const admin = await person('alice', 'admin:keys', ['full']);
    const aKey = { owner: 'robot', scopes: ['admin:keys'] };
    const answer = await post(admin, '/v1/api-keys', aKey);
    expect(codeOf(answer)).toBe('rate_limited');
    expect(answer.headers['retry-after']).toBe('60');
    await apis.sql(`UPDATE approvals SET expires_at = asked_at WHERE id = 'Q-full-007'`);
    expect((await post(admin, '/v1/api-keys', aKey)).statusCode).toBe(202);
  });

  it('are listed newest first, page by page, without losing or repeating one', async () => {
    const ids = Array.from({ length: 5 }, (_, at) => `Q-page-${at}`);
    for (const id of ids)
      await apis.insert('accord.approvals', anApprovalRow(id, { tenant: 'page' }));
    const reader = await person('bob', 'ops:approve', ['page']);
    const seen: string[] = [];
    let next: string | null = '/v1/approvals?state=pending,done&limit=2';
    while (next !== null) {
      const { items, nextCursor }: { items: Approval[]; nextCursor: string | null } = (
        await get(reader, next)
      ).json();
      seen.push(...items.map(({ id }) => id));
      next =
        nextCursor === null
          ? null
          : `/v1/approvals?state=pending,done&limit=2&cursor=${nextCursor}`;
    }
    expect(seen).toEqual(ids.toReversed());
  });

  it('are forgotten a month after their end, when the next one is asked', async () => {
    const month = 30 * 86_400_000;
    const ago = (ms: number) => new Date(Date.now() - ms);
    const old = { asked_at: ago(month + 1_900_000) };
    await apis.insert(
      'accord.approvals',
      anApprovalRow('Q-old', { ...old, expires_at: ago(month + 60_000) }),
    );
    await apis.insert(
      'accord.approvals',
      anApprovalRow('Q-less-old', { ...old, expires_at: ago(month - 60_000) }),
    );
    await asked(await parked());
    const rows = await apis.sql(`SELECT id FROM approvals WHERE id IN ('Q-old', 'Q-less-old')`);
    expect(rows.map(({ id }) => String(id))).toEqual(['Q-less-old']);
  });

  it('of a kind that this build does not know are left to one that does', async () => {
    await apis.insert(
      'accord.approvals',
      anApprovalRow('Q-new', { kind: 'ofTomorrow', tenant: 'new' }),
    );
    const reader = await person('bob', 'ops:approve', ['new']);
    expect((await get(reader, '/v1/approvals')).json()).toMatchObject({ items: [] });
    expect(codeOf(await approve(reader, { id: 'Q-new' }))).toBe('not_found');
  });

  it('cannot be approved by their asker in the database, either', async () => {
    await apis.insert('accord.approvals', anApprovalRow('Q-self'));
    for (const [by, people] of [
      ['alice', '["alice"]'],
      ['bob', '["alice", "bob"]'],
      ['bob', null],
    ]) {
      const self = apis.sql(
        `UPDATE approvals SET state = 'approved', decided_by = ?, decided_people = ? WHERE id = 'Q-self'`,
        [by, people],
      );
      await expect(self).rejects.toThrow('Check constraint');
    }
  });
});
