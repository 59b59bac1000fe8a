import { beforeEach, describe, expect, it } from '@jest/globals';

import { createApprovals, createAsking, type Person } from '../../../api/approvals/approvals';
import { Problem, type ProblemCode } from '../../../api/http/errors';
import { createMetrics } from '../../../api/http/metrics';
import { peopleBehind } from '../../../api/http/people';
import { scopes } from '../../../api/http/scopes';
import { createSecondPerson } from '../../../api/approvals/second-person';
import type { AuditEntry } from '../../../api/stores/audit-store';
import { anApproval, fakeApprovals } from './fake-approvals';

/** Somebody with the scopes of an operator; behind whom nobody else stands, unless somebody is named. */
const person = (subject: string, people: Person['people'] = peopleBehind(subject)): Person => ({
  ...{ tenant: 'acme', subject, people, keyId: null, scopes: new Set(scopes) },
});
const [alice, bob, carol] = [person('alice'), person('bob'), person('carol')];

/** What happened, in its order. */
let told: string[];
let audited: AuditEntry[];
let isAuditAway: boolean;
beforeEach(() => {
  told = [];
  audited = [];
  isAuditAway = false;
});
const audit = {
  add: (entry: AuditEntry) => {
    if (isAuditAway) return Promise.reject(new Problem('dependency_unavailable'));
    told.push(`audit: ${entry.operation}`);
    audited.push(entry);
    return Promise.resolve();
  },
};
const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'taken',
    (error: unknown) => (error as { code: string }).code,
  );

/** @param answers what the action throws, one after the other; then it works. */
function approvalsThat(...answers: ProblemCode[]) {
  const store = fakeApprovals();
  store.rows.set('Q-1', anApproval());
  const act = () => {
    const code = answers.shift();
    told.push(`act: ${code ?? 'done'}`);
    return code ? Promise.reject(new Problem(code)) : Promise.resolve();
  };
  const approvals = createApprovals({
    store,
    audit,
    now: Date.now,
    handlers: { decideStep: act, bookStep: act, createKey: act, failover: act, watchPolicy: act },
  });
  return { approvals, stateOf: () => store.rows.get('Q-1')?.state, store };
}

describe('what two persons want', () => {
  it('is written down with both of them before it is done', async () => {
    const { approvals, stateOf } = approvalsThat();
    await approvals.approve(bob, 'Q-1', 'Seen.');
    expect(told).toEqual(['audit: approved decideStep', 'act: done']);
    expect(audited).toMatchObject([
      {
        actor: 'bob',
        gid: 'order:acme.O-1',
        outcome: 'acting',
        request: { approval: 'Q-1', askedBy: 'alice', approvedBy: 'bob', rule: 'skips_money' },
      },
    ]);
    expect(stateOf()).toBe('done');
  });

  it('is not done while it cannot be written down, and is done later', async () => {
    const { approvals, stateOf } = approvalsThat();
    isAuditAway = true;
    expect(await codeOf(approvals.approve(bob, 'Q-1', null))).toBe('dependency_unavailable');
    expect([told, stateOf()]).toEqual([[], 'approved']);
    isAuditAway = false;
    await approvals.approve(carol, 'Q-1', null);
    expect(stateOf()).toBe('done');
    expect(audited).toMatchObject([{ actor: 'bob', request: { approvedBy: 'bob' } }]);
  });

  it.each(['alice', 'Alice', ' alice ', 'ａｌｉｃｅ'])(
    'is not approved by who has asked: %s',
    async (subject) => {
      const { approvals, stateOf } = approvalsThat();
      expect(await codeOf(approvals.approve(person(subject), 'Q-1', null))).toBe(
        'second_person_required',
      );
      expect([told, stateOf()]).toEqual([[], 'pending']);
    },
  );

  it.each<[string, Person['people'], Person['people']]>([
    ['whose key the asker has made', ['alice', 'bob'], ['alice']],
    ['who has made the key of the asker', ['bob'], ['alice', 'bob']],
    ['whose key was made with a key that the asker has made', ['alice', 'bob', 'carol'], ['alice']],
    ['of whose key nobody knows who made it', null, ['alice']],
    ['where nobody knows who asks', ['bob'], null],
  ])('is not approved by somebody %s', async (_, people, askedPeople) => {
    const { approvals, store, stateOf } = approvalsThat();
    store.rows.set('Q-1', anApproval({ askedPeople }));
    const refused = approvals.approve(person('bob', people), 'Q-1', null);
    expect(await codeOf(refused)).toBe('second_person_required');
    expect([told, stateOf()]).toEqual([[], 'pending']);
    await approvals.approve(carol, 'Q-1', null).catch(() => undefined);
    expect(stateOf()).toBe(askedPeople === null ? 'pending' : 'done');
  });

  it('is not approved by who could not have asked for it', async () => {
    const { approvals, stateOf } = approvalsThat();
    const approver = { ...bob, scopes: new Set(['ops:approve', 'ops:failover'] as const) };
    expect(await codeOf(approvals.approve(approver, 'Q-1', null))).toBe('scope_missing');
    expect([told, stateOf()]).toEqual([[], 'pending']);
  });

  it('is not completed by who has asked, either', async () => {
    const { approvals, store, stateOf } = approvalsThat();
    store.rows.set('Q-1', anApproval({ state: 'approved', decidedBy: 'bob' }));
    expect(await codeOf(approvals.approve(alice, 'Q-1', null))).toBe('second_person_required');
    expect([told, stateOf()]).toEqual([[], 'approved']);
  });

  it.each(['dependency_unavailable', 'outcome_unknown', 'ask_again'] as const)(
    'stays approved where nobody knows whether it was done, and a second call completes it: %s',
    async (code) => {
      const { approvals, stateOf } = approvalsThat(code);
      expect(await codeOf(approvals.approve(bob, 'Q-1', null))).toBe(code);
      expect(stateOf()).toBe('approved');
      expect(await codeOf(approvals.approve(bob, 'Q-1', null))).toBe('taken');
      expect(stateOf()).toBe('done');
      expect(await codeOf(approvals.approve(carol, 'Q-1', null))).toBe('taken');
      expect(told.filter((line) => line.startsWith('act'))).toEqual([`act: ${code}`, 'act: done']);
    },
  );

  it.each(['state_changed', 'not_parked', 'already_ended', 'not_found'] as const)(
    'is void where it cannot be done any more: %s',
    async (code) => {
      const { approvals, stateOf } = approvalsThat(code);
      expect(await codeOf(approvals.approve(bob, 'Q-1', null))).toBe('state_changed');
      expect(stateOf()).toBe('void');
      expect(await codeOf(approvals.approve(bob, 'Q-1', null))).toBe('state_changed');
      expect(told.filter((line) => line.startsWith('act'))).toHaveLength(1);
    },
  );

  it.each(['expired', 'void', 'rejected'] as const)(
    'is neither approved nor rejected once it is %s',
    async (state) => {
      const { approvals, store } = approvalsThat();
      store.rows.set('Q-1', anApproval({ state }));
      expect(await codeOf(approvals.approve(bob, 'Q-1', null))).toBe('state_changed');
      expect(await codeOf(approvals.reject(bob, 'Q-1', null))).toBe(
        state === 'rejected' ? 'taken' : 'state_changed',
      );
      expect(told).toEqual([]);
    },
  );

  it('is not rejected once it is approved', async () => {
    const { approvals, stateOf } = approvalsThat();
    await approvals.approve(bob, 'Q-1', null);
    expect(await codeOf(approvals.reject(carol, 'Q-1', null))).toBe('state_changed');
    expect(stateOf()).toBe('done');
  });
});

describe('the second person', () => {
  const { action, rule } = anApproval();

  function secondPerson() {
    const store = fakeApprovals();
    const metrics = createMetrics({ waiting: () => 0, backlog: () => 0 });
    const logger = {
      error: (fields: object) => void told.push(`error: ${JSON.stringify(fields)}`),
    };
    const ask = createAsking(store, Date.now);
    const broken = async () => (await metrics.brokenGlass.get()).values.map(({ value }) => value);
    return { ...createSecondPerson({ ask, audit, metrics, logger, now: Date.now }), store, broken };
  }

  it('is asked, and nothing goes on', async () => {
    const { of, store, broken } = secondPerson();
    const granted = await of({ ...alice, breakGlass: undefined })(action, rule);
    expect(granted).toMatchObject({ kind: 'waits', approval: { askedBy: 'alice', action, rule } });
    expect([...store.rows.values()]).toMatchObject([{ state: 'pending' }]);
    expect([told, await broken()]).toEqual([[], []]);
  });

  it('is not asked by a key of which nobody knows who made it', async () => {
    const { of, store } = secondPerson();
    const asking = of({ ...person('shop', null), breakGlass: undefined })(action, rule);
    expect(await codeOf(asking)).toBe('second_person_required');
    expect(store.rows.size).toBe(0);
  });

  it('is done without where the glass is broken: written down, counted and logged as an error', async () => {
    const { of, store, broken } = secondPerson();
    const reason = 'The bank closes in five minutes.';
    const granted = await of({ ...alice, breakGlass: reason })(action, rule);
    expect(granted).toEqual({ kind: 'goesOn', consent: { kind: 'brokenGlass', reason } });
    expect(audited).toMatchObject([
      { actor: 'alice', operation: 'broke the glass for decideStep', request: { reason, rule } },
    ]);
    expect(told[1]).toContain(reason);
    expect([store.rows.size, await broken()]).toEqual([0, [1]]);
  });

  it('is not done without while that cannot be written down', async () => {
    const { of } = secondPerson();
    isAuditAway = true;
    const granted = of({ ...alice, breakGlass: 'In haste.' })(action, rule);
    expect(await codeOf(granted)).toBe('dependency_unavailable');
    expect(told).toEqual([]);
  });
});
