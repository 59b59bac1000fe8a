import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { HoldFunds } from '../../../../contracts/participants/accounts';
import { batchItemsMax, setBytesMax, setRowsMax } from '../../../../contracts/engine/verdict';
import { attemptAgeMaxMs } from '../../../../activities/fence/session';
import type { ActSpec, FollowUpSpec, OutboxEvent } from '../../../../activities/fence/participant';
import {
  holdFunds as holding,
  releaseFunds as release,
} from '../../../../activities/accounts/accounts-store';
import { actSpecOf } from '../../../../activities/fence/implement';
import { accounts } from '../../../../contracts/participants';
import { inSqlTransaction, type SqlPool } from '../../../../activities/fence/sql-transaction';
import { eventually } from '../../../support/eventually';
import {
  aDelivery,
  aGid,
  aKey,
  epochsAt,
  fencedAccounts,
  type FencedAccounts,
} from '../../../support/fenced-accounts';

const holdFunds = actSpecOf(accounts.holdFunds, holding);
const eur = (minorUnits: number) => ({ currency: 'EUR', minorUnits }) as const;

/** The same pool, each of its SQL transactions under MySQL's default isolation. */
const repeatableRead = (pool: SqlPool): SqlPool => ({
  ...pool,
  async open(budget) {
    const session = await pool.open(budget);
    await session.sql.change('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    return session;
  },
});

describe('the fence, one effect at a time', () => {
  let bank: FencedAccounts;
  beforeAll(async () => {
    bank = await fencedAccounts();
  });
  afterAll(() => bank.drop());

  const aHold = async (minorUnits = 10, balance = 100): Promise<HoldFunds> => ({
    key: aKey(),
    minEpoch: 0,
    accountId: await bank.customer(balance),
    amount: eur(minorUnits),
  });

  it('B1 gives the first answer again when an act comes twice in a row', async () => {
    const { holdFunds: hold } = bank.participant();
    const request = await aHold();
    const [first] = await hold([request]);
    const [again] = await hold([request]);
    expect(first).toMatchObject({ ok: true, fence: 'first', result: { holdKey: request.key } });
    expect(again).toEqual({ ...first, fence: 'duplicate' });
    expect(await bank.balance(request.accountId)).toEqual({ free: 90, held: 10 });
    expect(await bank.row(request.key)).toMatchObject({ state: 'acted', deliveries: 2 });
  });

  it('B1 lets exactly one of acts that come at once take effect, with one answer for all', async () => {
    const { holdFunds: hold } = bank.participant();
    for (let round = 0; round < 15; round += 1) {
      const request = await aHold();
      const answers = await Promise.all([1, 2, 3, 4, 5].map(() => hold([request])));
      expect(answers.flat().filter(({ fence }) => fence === 'first')).toHaveLength(1);
      expect(answers.flat().every(({ ok }) => ok)).toBe(true);
      expect(await bank.balance(request.accountId)).toEqual({ free: 90, held: 10 });
    }
  });

  it('B1 hides the deadlocks of acts whose first one rolls back', async () => {
    const retries: number[] = [];
    const metrics = {
      verdict: () => undefined,
      sqlRetry: (_: string, errno: number) => retries.push(errno),
      staleEpoch: () => undefined,
    };
    const { fence } = bank.participant({ metrics });
    for (let round = 0; round < 15; round += 1) {
      const request = await aHold();
      let isFirst = true;
      const failing: typeof holdFunds = {
        ...holdFunds,
        async effect(sql, requests) {
          const decided = await holdFunds.effect(sql, requests);
          if (!isFirst) return decided;
          isFirst = false;
          throw new Error('The business failed after it had written.');
        },
      };
      const answers = await Promise.allSettled([1, 2, 3].map(() => fence.act(failing, [request])));
      expect(answers.map(({ status }) => status).sort()).toEqual([
        'fulfilled',
        'fulfilled',
        'rejected',
      ]);
      expect(await bank.balance(request.accountId)).toEqual({ free: 90, held: 10 });
    }
    expect(retries).toContain(1213);
  });

  it('B2 refuses an act that comes after its undo and leaves the balance alone', async () => {
    const { holdFunds: hold, releaseFunds } = bank.participant();
    const request = await aHold();
    expect(await releaseFunds([request])).toMatchObject([{ ok: true, fence: 'empty' }]);
    expect(await hold([request])).toMatchObject([
      { ok: false, failure: 'Fenced', fence: 'fenced' },
    ]);
    expect(await releaseFunds([request])).toMatchObject([{ ok: true }]);
    expect(await bank.balance(request.accountId)).toEqual({ free: 100, held: 0 });
    expect(await bank.row(request.key)).toMatchObject({ state: 'empty', deliveries: 3 });
  });

  it('B4 leaves one empty row when two undos of an act that never came meet, under both isolations', async () => {
    const { releaseFunds } = bank.participant();
    const strict = bank.participant({ pool: repeatableRead(bank.pool) });
    for (let round = 0; round < 30; round += 1) {
      const request = { key: aKey(), minEpoch: 0 };
      const answers = await Promise.all([releaseFunds([request]), strict.releaseFunds([request])]);
      expect(answers.flat().every(({ ok, fence }) => ok && fence === 'empty')).toBe(true);
      expect(await bank.row(request.key)).toMatchObject({ state: 'empty', deliveries: 2 });
    }
  });

  it('B5 undoes neighbours on an empty stretch of the table without a deadlock that surfaces', async () => {
    const { releaseFunds } = bank.participant();
    for (let round = 0; round < 20; round += 1) {
      const keys = [1, 2, 3, 4].map(() => aKey('neighbour'));
      const answers = await Promise.all(keys.map((key) => releaseFunds([{ key, minEpoch: 0 }])));
      expect(answers.flat().map(({ fence }) => fence)).toEqual([
        'empty',
        'empty',
        'empty',
        'empty',
      ]);
    }
  });

  it('B6 calls a confirm without its act broken, and one after the undo, and changes nothing', async () => {
    const { fence, holdFunds: hold, releaseFunds } = bank.participant();
    const confirm = {
      activity: 'accounts.confirmHold',
      announces: [],
      effect: () => Promise.reject(new Error('never')),
    };
    const request = await aHold();
    const broken = [{ ok: false, failure: 'InvariantBroken', fence: 'broken', verb: 'confirm' }];
    expect(await fence.confirm(confirm, [request])).toMatchObject(broken);
    expect(await bank.row(request.key)).toBeUndefined();
    await hold([request]);
    await releaseFunds([request]);
    expect(await fence.confirm(confirm, [request])).toMatchObject(broken);
    expect(await bank.balance(request.accountId)).toEqual({ free: 100, held: 0 });
  });

  it('B6 calls an undo after the confirm broken, and changes nothing', async () => {
    const { captureFunds, holdFunds: hold, releaseFunds } = bank.participant();
    const request = await aHold();
    const payeeId = await bank.merchant();
    await hold([request]);
    const gid = request.key.slice(0, request.key.lastIndexOf('/'));
    const capture = {
      key: aKey('captureFunds', gid),
      minEpoch: 0,
      holdKey: request.key,
      payeeId,
      amount: request.amount,
    };
    await captureFunds([capture]);
    expect(await releaseFunds([request])).toMatchObject([
      { ok: false, failure: 'InvariantBroken' },
    ]);
    expect(await bank.balance(payeeId)).toEqual({ free: 10, held: 0 });
    expect(await bank.row(request.key)).toMatchObject({ state: 'confirmed' });
  });

  it('B7 keeps ids apart that differ by case alone', async () => {
    const { holdFunds: hold } = bank.participant();
    const gid = aGid();
    const accountId = await bank.customer(100);
    const requests = [`${gid}-a/holdFunds`, `${gid}-A/holdFunds`, `${gid}-a/HoldFunds`].map(
      (key) => ({
        key,
        minEpoch: 0,
        accountId,
        amount: eur(10),
      }),
    );
    expect((await hold(requests)).map(({ fence }) => fence)).toEqual(['first', 'first', 'first']);
    expect(await bank.balance(accountId)).toEqual({ free: 70, held: 30 });
  });

  it.each([
    ['a trailing space', (gid: string) => `${gid}/holdFunds `],
    ['a space in the gid', (gid: string) => `${gid} /holdFunds`],
    ['another Unicode form', (gid: string) => `${gid}é/holdFunds`],
    ['a gid over its length', (gid: string) => `${gid}${'x'.repeat(100)}/holdFunds`],
    ['a branch over its length', (gid: string) => `${gid}/${'x'.repeat(65)}`],
    ['no branch', (gid: string) => gid],
  ])('B7 refuses an id with %s before any SQL', async (_, keyOf) => {
    const { holdFunds: hold } = bank.participant();
    const request = { ...(await aHold()), key: keyOf(aGid()) };
    await expect(hold([request])).rejects.toBeInstanceOf(RangeError);
    expect(await bank.row(request.key)).toBeUndefined();
  });

  it('B8 leaves no row behind when the business throws, and acts on the retry', async () => {
    const { fence, holdFunds: hold } = bank.participant();
    const request = await aHold();
    const failing: ActSpec<HoldFunds, never> = {
      ...holdFunds,
      async effect(sql, requests) {
        await holdFunds.effect(sql, requests);
        throw new Error('After the business was written.');
      },
    };
    await expect(fence.act(failing, [request])).rejects.toThrow('After the business');
    expect(await bank.row(request.key)).toBeUndefined();
    expect(await hold([request])).toMatchObject([{ ok: true, fence: 'first' }]);
    expect(await bank.balance(request.accountId)).toEqual({ free: 90, held: 10 });
  });

  it('B14 refuses a first delivery that is older than any fence row is kept, and writes nothing', async () => {
    const issuedAt = Date.now() - attemptAgeMaxMs - 5_000;
    const late = bank.participant({ delivery: () => aDelivery({ issuedAt }) });
    const request = await aHold();
    await expect(late.holdFunds([request])).rejects.toMatchObject({ type: 'StaleAttempt' });
    await expect(late.releaseFunds([request])).rejects.toMatchObject({ type: 'StaleAttempt' });
    expect(await bank.row(request.key)).toBeUndefined();
    const [first] = await bank.participant().holdFunds([request]);
    expect(await late.holdFunds([request])).toEqual([{ ...first, fence: 'duplicate' }]);
  });

  it('B21 gives the recorded refusal again although the money has come back', async () => {
    const { holdFunds: hold, releaseFunds } = bank.participant();
    const accountId = await bank.customer(10);
    const [blocking, request] = [aKey(), aKey()].map((key) => ({
      key,
      minEpoch: 0,
      accountId,
      amount: eur(10),
    }));
    if (!blocking || !request) throw new Error('Two requests.');
    await hold([blocking]);
    const [refusal] = await hold([request]);
    expect(refusal).toMatchObject({ ok: false, failure: 'InsufficientFunds', fence: 'refused' });
    await releaseFunds([blocking]);
    expect(await hold([request])).toEqual([refusal]);
    expect(await releaseFunds([request])).toMatchObject([{ ok: true, fence: 'refused' }]);
    expect(await bank.balance(accountId)).toEqual({ free: 10, held: 0 });
  });

  it('writes nothing for an event that its operation does not declare, or for one that is missing', async () => {
    const { fence } = bank.participant();
    const request = await aHold();
    const saying = (event: OutboxEvent | null): ActSpec<HoldFunds, unknown> => ({
      ...holdFunds,
      async effect(sql, requests) {
        const decided = await holdFunds.effect(sql, requests);
        return decided.map((one) => (one.ok ? { ...one, event } : one));
      },
    });
    await expect(fence.act(saying({ type: 'funds.stolen', data: {} }), [request])).rejects.toThrow(
      'accounts.holdFunds announced funds.stolen, which its participant does not declare for it.',
    );
    await expect(fence.act(saying(null), [request])).rejects.toThrow(
      'accounts.holdFunds announced nothing, although it declares funds.held.',
    );
    expect(await bank.row(request.key)).toBeUndefined();
    expect(await bank.balance(request.accountId)).toEqual({ free: 100, held: 0 });
  });

  it('announces the generic event of an operation that declares none', async () => {
    const { fence } = bank.participant();
    const request = await aHold();
    const silent: ActSpec<HoldFunds, unknown> = {
      ...holdFunds,
      announces: [],
      async effect(sql, requests) {
        const decided = await holdFunds.effect(sql, requests);
        return decided.map((one) => (one.ok ? { key: one.key, ok: true, result: null } : one));
      },
    };
    expect(await fence.act(silent, [request])).toMatchObject([{ ok: true }]);
    const events = await bank.admin.select(
      'SELECT type, topic, sequence, payload FROM outbox WHERE aggregate_id = ?',
      [request.key],
    );
    const generic = { type: 'accounts.holdFunds', topic: 'accord.accounts', sequence: 1 };
    expect(events).toEqual([{ ...generic, payload: {} }]);
  });

  it('takes an effect back, whatever event its undo announces, or none', async () => {
    const { fence, holdFunds: hold } = bank.participant();
    const undoing = (event: OutboxEvent | undefined): FollowUpSpec => ({
      ...release,
      activity: 'accounts.releaseFunds',
      announces: accounts.releaseFunds.announces,
      async effect(sql, keys) {
        await release.effect(sql, keys);
        return event && new Map(keys.map((key) => [key, event]));
      },
    });
    for (const event of [{ type: 'funds.stolen', data: {} }, undefined]) {
      const request = await aHold();
      await hold([request]);
      const given = [{ key: request.key, minEpoch: 0 }];
      expect(await fence.undo(undoing(event), given)).toMatchObject([{ ok: true }]);
      expect(await bank.balance(request.accountId)).toEqual({ free: 100, held: 0 });
    }
  });

  it('does not record a refusal after the pivot: an operator may try again', async () => {
    const { fence } = bank.participant();
    const request = await aHold(10, 0);
    const forward = { ...holdFunds, refusalsAre: 'rolledBack' as const };
    expect(await fence.act(forward, [request])).toMatchObject([{ failure: 'InsufficientFunds' }]);
    expect(await bank.row(request.key)).toBeUndefined();
  });

  it('neither records nor passes on a refusal that its operation does not declare', async () => {
    const { fence } = bank.participant();
    const request = await aHold(10, 0);
    const silent = { ...holdFunds, refusals: ['AccountUnavailable'] };
    const detail = 'accounts.holdFunds refused with InsufficientFunds, which it does not declare.';
    const verdict = { ok: false, failure: 'InvariantBroken', fence: 'broken', detail };
    expect(await fence.act(silent, [request])).toMatchObject([verdict]);
    expect(await bank.row(request.key)).toBeUndefined();
    expect(await fence.act(holdFunds, [request])).toMatchObject([{ failure: 'InsufficientFunds' }]);
    // Recorded by another build, which declared it.
    expect(await fence.act(silent, [request])).toMatchObject([verdict]);
  });

  it('tells a key that comes again with other content from a duplicate', async () => {
    const { holdFunds: hold } = bank.participant();
    const request = await aHold();
    await hold([request]);
    const other = { ...request, amount: eur(11) };
    expect(await hold([other])).toMatchObject([
      { failure: 'IdempotencyConflict', fence: 'conflict' },
    ]);
    expect(await bank.balance(request.accountId)).toEqual({ free: 90, held: 10 });
  });

  it.each([
    ['the default flags', ''],
    ['-FOUND_ROWS', '?flags=-FOUND_ROWS'],
    ['multipleStatements', '?multipleStatements=true'],
    ['both', '?flags=-FOUND_ROWS&multipleStatements=true'],
  ])('B17 behaves the same with %s of the driver', async (_, query) => {
    const pool = bank.own.pool(`${bank.own.urls.ACCOUNTS_DATABASE_URL}${query}`);
    const { captureFunds, holdFunds: hold, releaseFunds, sealBranch } = bank.participant({ pool });
    const request = await aHold();
    const payeeId = await bank.merchant();
    const gid = request.key.slice(0, request.key.lastIndexOf('/'));
    const pivot = { key: aKey('captureFunds', gid), minEpoch: 0 };
    const capture = { ...pivot, holdKey: request.key, payeeId, amount: request.amount };
    const seen = [
      await hold([request]),
      await hold([request]),
      await captureFunds([capture]),
      await captureFunds([capture]),
      await releaseFunds([request]),
      await sealBranch([pivot]),
      await releaseFunds([{ key: aKey(), minEpoch: 0 }]),
    ].map(([verdict]) => verdict?.fence);
    expect(seen).toEqual([
      'first',
      'duplicate',
      'first',
      'duplicate',
      'broken',
      'duplicate',
      'empty',
    ]);
    expect(await bank.balance(payeeId)).toEqual({ free: 10, held: 0 });
  });

  it('B22 refuses and counts a writer of an old epoch, and one whose epoch its transaction has outlived', async () => {
    const request = await aHold();
    let forgotten = 0;
    const epochs = { ...epochsAt(0), forget: () => (forgotten += 1) };
    const counted: string[] = [];
    const metrics = {
      verdict: () => undefined,
      sqlRetry: () => undefined,
      staleEpoch: (activity: string) => counted.push(activity),
    };
    const old = bank.participant({ epochs, metrics });
    await expect(old.holdFunds([request])).rejects.toMatchObject({ type: 'StaleEpoch' });
    const seenLater = { ...request, minEpoch: 2 };
    await expect(bank.participant().holdFunds([seenLater])).rejects.toMatchObject({
      type: 'StaleEpoch',
    });
    expect(await bank.row(request.key)).toBeUndefined();
    expect(forgotten).toBe(1);
    expect(counted).toEqual(['accounts.holdFunds']);
  });

  it('B19 refuses a set over each of its bounds before any SQL', async () => {
    const { fence } = bank.participant();
    const request = await aHold();
    const many = Array.from({ length: batchItemsMax + 1 }, () => ({ ...request, key: aKey() }));
    const wide = { ...holdFunds, rows: () => setRowsMax + 1 };
    const heavy = { ...request, accountId: 'x'.repeat(setBytesMax) };
    await expect(fence.act(holdFunds, [])).rejects.toBeInstanceOf(RangeError);
    await expect(fence.act(holdFunds, many)).rejects.toThrow('1 to 1000 requests');
    await expect(fence.act(wide, [request])).rejects.toThrow('5000 rows');
    await expect(fence.act(holdFunds, [heavy])).rejects.toThrow('bytes');
    await expect(fence.act(holdFunds, [request, request])).rejects.toThrow('twice');
    expect(await bank.row(request.key)).toBeUndefined();
  });

  it('B23 lets nothing of a body that threw reach the next SQL transaction', async () => {
    const pool = bank.own.pool(bank.own.urls.ACCOUNTS_DATABASE_URL, { connectionLimit: 1 });
    const accountId = await bank.customer(100);
    const spend = 'UPDATE accounts SET held = held + 1, balance = balance - 1 WHERE id = ?';
    const thrown = inSqlTransaction(pool, aDelivery(), async (sql) => {
      await sql.change(spend, [accountId]);
      throw new Error('The body failed.');
    });
    await expect(thrown).rejects.toThrow('The body failed.');
    await inSqlTransaction(pool, aDelivery(), (sql) => sql.select('SELECT 1 AS one'));
    expect(await bank.balance(accountId)).toEqual({ free: 100, held: 0 });
  });

  it('B23 kills the statement whose time is over, and the pool serves the next one at once', async () => {
    const limits = { ...bank.pool.limits, statementMs: 1_000 };
    const pool = bank.own.pool(bank.own.urls.ACCOUNTS_DATABASE_URL, { connectionLimit: 1, limits });
    const sleepers = () =>
      bank.admin.select(
        `SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'`,
      );
    const slow = inSqlTransaction(
      pool,
      aDelivery(),
      (sql) => sql.select('SELECT SLEEP(20) AS slept FROM (SELECT 1 UNION SELECT 2) AS two'), // Alone it would answer 1 when interrupted.
    );
    await expect(slow).rejects.toMatchObject({ name: 'SqlTimeout' });
    const began = performance.now();
    expect(await pool.select('SELECT 1 AS one')).toEqual([{ one: '1' }]);
    expect(performance.now() - began).toBeLessThan(1_000);
    await eventually(async () => (await sleepers()).length === 0, { withinMs: 1_000 });
  });

  it('ends with books that every oracle finds in order', async () => {
    expect(await bank.violations()).toEqual([]);
  });
});
