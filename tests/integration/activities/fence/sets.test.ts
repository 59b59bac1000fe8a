import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { HoldFunds } from '../../../../contracts/participants/accounts';
import type { BusinessId, StepKey } from '../../../../contracts/engine/ids';
import {
  captureFunds as capturing,
  holdFunds as holding,
  releaseFunds as release,
} from '../../../../activities/accounts/accounts-store';
import { actSpecOf } from '../../../../activities/fence/implement';
import { accounts as definition } from '../../../../contracts/participants';
import type { ActSpec, FollowUpSpec } from '../../../../activities/fence/participant';
import { aGid, aKey, fencedAccounts, type FencedAccounts } from '../../../support/fenced-accounts';

const holdFunds = actSpecOf(definition.holdFunds, holding);
const captureFunds = actSpecOf(definition.captureFunds, capturing);
const releaseFunds: FollowUpSpec = {
  ...release,
  activity: 'accounts.releaseFunds',
  announces: definition.releaseFunds.announces,
};
const eur = (minorUnits: number) => ({ currency: 'EUR', minorUnits }) as const;

describe('the fence, a set at a time', () => {
  let bank: FencedAccounts;
  beforeAll(async () => {
    bank = await fencedAccounts();
  });
  afterAll(() => bank.drop());

  it('answers each item of a set by its own name, refusals among the good ones', async () => {
    const { holdFunds: hold } = bank.participant();
    const accountId = await bank.customer(25);
    const requests = [1, 2, 3].map(() => ({
      key: aKey(),
      minEpoch: 0,
      accountId,
      amount: eur(10),
    }));
    const verdicts = await hold(requests);
    expect(new Set(verdicts.map(({ gid, branch }) => `${gid}/${branch}`))).toEqual(
      new Set(requests.map(({ key }) => key)),
    );
    expect(verdicts.map(({ ok }) => ok).sort()).toEqual([false, true, true]);
    expect(await bank.balance(accountId)).toEqual({ free: 5, held: 20 });
  });

  it('B18 keeps every row in agreement with its effects under 1,000 overlapping sets, without a deadlock', async () => {
    const retries: number[] = [];
    const metrics = {
      verdict: () => undefined,
      sqlRetry: (_: string, errno: number) => retries.push(errno),
      staleEpoch: () => undefined,
    };
    const { fence } = bank.participant({ metrics });
    const accounts = await Promise.all(Array.from({ length: 12 }, () => bank.customer(1_000_000)));
    const keys = Array.from({ length: 160 }, () => aKey());
    const requestOf = (key: StepKey, at: number): HoldFunds => ({
      key,
      minEpoch: 0,
      accountId: accounts[at % accounts.length] ?? '',
      amount: eur(10 + at),
    });
    const requests = keys.map(requestOf);
    const [plan] = fc.sample(
      fc.array(
        fc.record({
          verb: fc.constantFrom('act', 'act', 'undo', 'confirm'),
          items: fc.oneof(
            {
              weight: 4,
              arbitrary: fc.shuffledSubarray(requests, { minLength: 10, maxLength: 30 }),
            },
            { weight: 1, arbitrary: fc.shuffledSubarray(requests, { minLength: 1, maxLength: 1 }) },
          ),
        }),
        { minLength: 1_000, maxLength: 1_000 },
      ),
      { numRuns: 1, seed: 18 },
    );
    const queue = [...(plan ?? [])];
    const count = queue.length;
    const worker = async (): Promise<void> => {
      for (let next = queue.pop(); next; next = queue.pop()) {
        if (next.verb === 'act') await fence.act(holdFunds, next.items);
        else if (next.verb === 'undo') await fence.undo(releaseFunds, next.items);
        else await fence.confirm(confirmHold, next.items);
      }
    };
    await Promise.all(Array.from({ length: 12 }, worker));
    expect(count).toBe(1_000);
    expect(retries.filter((errno) => errno === 1213)).toEqual([]);
    expect(await bank.violations()).toEqual([]);
    expect(await disagreements(bank)).toEqual([]);
  }, 90_000);

  it('B19 lets an item that violates a CHECK fail alone, and commits the others once', async () => {
    const { fence } = bank.participant();
    const poor = await bank.customer(5);
    const rich = await bank.customer(1_000);
    const requests = Array.from({ length: 9 }, (_, at) => ({
      key: aKey(),
      minEpoch: 0,
      accountId: at === 4 ? poor : rich,
      amount: eur(10),
    }));
    const culprit = requests[4]?.key;
    const verdicts = await fence.act(withoutLooking, requests);
    const failures = verdicts.filter(({ ok }) => !ok);
    expect(failures).toMatchObject([{ failure: 'InvariantBroken', fence: 'broken' }]);
    expect(failures.map(({ gid, branch }) => `${gid}/${branch}`)).toEqual([culprit]);
    expect(await bank.balance(rich)).toEqual({ free: 920, held: 80 });
    expect(await bank.balance(poor)).toEqual({ free: 5, held: 0 });
    expect(await bank.row(culprit ?? '')).toBeUndefined();
    expect(
      (
        await fence.act(
          withoutLooking,
          requests.filter(({ key }) => key !== culprit),
        )
      ).every(({ fence: seen }) => seen === 'duplicate'),
    ).toBe(true);
  });

  it('B19 throws the error of a set of one, for Temporal to retry', async () => {
    const { fence } = bank.participant();
    const request = {
      key: aKey(),
      minEpoch: 0,
      accountId: await bank.customer(5),
      amount: eur(10),
    };
    await expect(fence.act(withoutLooking, [request])).rejects.toMatchObject({ errno: 3819 });
    expect(await bank.row(request.key)).toBeUndefined();
  });

  it('captures a set into one hot row, written once', async () => {
    const { captureFunds: capture, holdFunds: hold } = bank.participant();
    const payeeId = await bank.merchant();
    const accountId = await bank.customer(10_000);
    const gids = Array.from({ length: 50 }, () => aGid());
    const holds = gids.map((gid) => ({
      key: aKey('holdFunds', gid),
      minEpoch: 0,
      accountId,
      amount: eur(7),
    }));
    await hold(holds);
    const verdicts = await capture(
      gids.map((gid, at) => ({
        key: aKey('captureFunds', gid),
        minEpoch: 0,
        holdKey: holds[at]?.key ?? '',
        payeeId,
        amount: eur(7),
      })),
    );
    expect(verdicts.every(({ ok }) => ok)).toBe(true);
    expect(await bank.balance(payeeId)).toEqual({ free: 350, held: 0 });
    expect(captureFunds.consumes).toBeDefined();
    expect(await bank.violations()).toEqual([]);
  });

  it.each([0, 100, 1_000, 20_000])(
    'B18 reads a range of the primary key in every locking statement, on tables of %i rows',
    async (rows) => {
      const other = await fencedAccounts();
      try {
        await fill(other, rows);
        const strays: unknown[] = [];
        for (const keys of [1, 50, 300, 1_000]) {
          for (const [table, statement, values] of lockingStatements(keys)) {
            const explain = `EXPLAIN FORMAT=TRADITIONAL ${statement}`;
            const plans = await other.admin.select<Plan>(explain, values);
            const plan = plans.find((each) => each.table === table) ?? plans[0];
            if (!isByPrimaryKey(plan))
              strays.push({ keys, statement: statement.slice(0, 80), plan });
          }
        }
        expect(strays).toEqual([]);
      } finally {
        await other.drop();
      }
    },
  );
});

/** What the fence and the stores send, with the table that is locked. */
function lockingStatements(
  keys: number,
): readonly (readonly [string, string, readonly unknown[]])[] {
  const names = Array.from({ length: keys }, (_, at) => [`order:acme.E-${at}`, 'holdFunds']);
  const ids = names.map(([name]) => name);
  const select = (table: string) =>
    `SELECT gid, branch, state, created_at FROM ${table} FORCE INDEX (PRIMARY) WHERE (gid, branch) IN (?) ORDER BY gid, branch FOR UPDATE`;
  const update = (table: string) =>
    `UPDATE ${table} FORCE INDEX (PRIMARY) SET state = state WHERE (gid, branch) IN (?)`;
  const two = ids.map(() => 'ROW(?, ?)').join(', ');
  return [
    ['fence', select('fence'), [names]],
    ['fence', update('fence'), [names]],
    [
      'f',
      `DELETE f FROM (VALUES ${two}) AS d (gid, branch) STRAIGHT_JOIN fence f FORCE INDEX (PRIMARY)
         ON f.gid = CAST(d.gid AS BINARY) AND f.branch = CAST(d.branch AS BINARY)`,
      names.flat(),
    ],
    [
      'f',
      `UPDATE (VALUES ${two}) AS d (gid, branch) STRAIGHT_JOIN fence f FORCE INDEX (PRIMARY)
         ON f.gid = CAST(d.gid AS BINARY) AND f.branch = CAST(d.branch AS BINARY) SET f.reason = NULL`,
      names.flat(),
    ],
    ['holds', select('holds'), [names]],
    ['holds', update('holds'), [names]],
    [
      'accounts',
      `SELECT id, kind, currency, status, balance
         FROM accounts FORCE INDEX (PRIMARY) WHERE id IN (?) ORDER BY id FOR UPDATE`,
      [ids],
    ],
    [
      'a',
      `UPDATE (VALUES ${two}) AS d (id, delta) STRAIGHT_JOIN accounts a FORCE INDEX (PRIMARY)
         ON a.id = CAST(d.id AS BINARY) SET a.balance = a.balance + d.delta`,
      ids.flatMap((id) => [id, 1]),
    ],
  ];
}

/** A single key is looked up before the plan is made: as a constant, or as no row at all. */
function isByPrimaryKey(plan: Plan | undefined): boolean {
  const extra = plan?.Extra ?? '';
  if (extra.includes('filesort')) return false;
  if (extra.startsWith('no matching row')) return true;
  return plan?.key === 'PRIMARY' && ['range', 'const', 'eq_ref'].includes(plan.type);
}

interface Plan {
  readonly table: string;
  readonly type: string;
  readonly key: string;
  readonly Extra: string | null;
}

/** A confirm in the style of TCC: what was held is spent for good, out of the books. */
const confirmHold: FollowUpSpec = {
  activity: 'accounts.confirmHold',
  announces: ['funds.kept'],
  effect: (_sql, keys) =>
    Promise.resolve(new Map(keys.map((key) => [key, { type: 'funds.kept', data: {} }] as const))),
};

/** A planted bug: holds without looking at what is left. */
const withoutLooking: ActSpec<HoldFunds, { readonly holdKey: StepKey }> = {
  ...holdFunds,
  async effect(sql, requests) {
    const sums = new Map<BusinessId, number>();
    for (const { accountId, amount } of requests) {
      sums.set(accountId, (sums.get(accountId) ?? 0) + amount.minorUnits);
    }
    for (const [id, sum] of [...sums].sort()) {
      await sql.change('UPDATE accounts SET balance = balance - ?, held = held + ? WHERE id = ?', [
        sum,
        sum,
        id,
      ]);
    }
    const rows = requests.map(({ key, accountId, amount }) => {
      const slash = key.lastIndexOf('/');
      return [key.slice(0, slash), key.slice(slash + 1), accountId, 'EUR', amount.minorUnits];
    });
    await sql.change('INSERT INTO holds (gid, branch, account_id, currency, amount) VALUES ?', [
      rows,
    ]);
    return requests.map(({ key }) => ({
      key,
      ok: true,
      result: { holdKey: key },
      event: { type: 'funds.held', data: {} },
    }));
  },
};

/** Fence rows whose hold is in another state than they say, or that are without one although they acted. */
const disagreements = (bank: FencedAccounts) =>
  bank.admin.select(
    `SELECT f.gid, f.state, h.state AS hold FROM fence f LEFT JOIN holds h ON h.gid = f.gid AND h.branch = f.branch
       WHERE f.branch = 'holdFunds' AND COALESCE(h.state, 'none') <>
         CASE f.state WHEN 'acted' THEN 'held' WHEN 'confirmed' THEN 'held' WHEN 'undone' THEN 'released' ELSE 'none' END`,
  );

async function fill({ admin }: FencedAccounts, rows: number): Promise<void> {
  for (let from = 0; from < rows; from += 5_000) {
    const ats = Array.from({ length: Math.min(5_000, rows - from) }, (_, at) => from + at);
    await admin.change('INSERT INTO fence (gid, branch, state, attempt_token, epoch) VALUES ?', [
      ats.map((at) => [`order:acme.E-${at}`, 'holdFunds', 'acted', Buffer.alloc(16), 1]),
    ]);
    await admin.change('INSERT INTO holds (gid, branch, account_id, currency, amount) VALUES ?', [
      ats.map((at) => [`order:acme.E-${at}`, 'holdFunds', 'acme.X', 'EUR', 1]),
    ]);
    await admin.change('INSERT INTO accounts (id, tenant, kind, currency) VALUES ?', [
      ats.map((at) => [`order:acme.E-${at}`, 'acme', 'merchant', 'EUR']),
    ]);
  }
  await admin.change('ANALYZE TABLE fence, holds, accounts');
}
