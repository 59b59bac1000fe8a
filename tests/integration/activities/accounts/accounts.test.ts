import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { CaptureFunds, HoldFunds } from '../../../../contracts/participants/accounts';
import type { Currency } from '../../../../contracts/engine/money';
import { seed } from '../../../../scripts/seed';
import { ownDatabases } from '../../../support/databases';
import { aGid, aKey, fencedAccounts, type FencedAccounts } from '../../../support/fenced-accounts';

const eur = (minorUnits: number) => ({ currency: 'EUR', minorUnits }) as const;

describe('accounts', () => {
  let bank: FencedAccounts;
  beforeAll(async () => {
    bank = await fencedAccounts();
  });
  afterAll(() => bank.drop());

  const aHold = async (currency: Currency = 'EUR'): Promise<HoldFunds> => ({
    key: aKey(),
    minEpoch: 0,
    accountId: await bank.customer(100),
    amount: { currency, minorUnits: 30 },
  });

  const captureOf = (hold: HoldFunds, change: Partial<CaptureFunds>): CaptureFunds => ({
    key: hold.key.replace('/holdFunds', '/captureFunds'),
    minEpoch: 0,
    holdKey: hold.key,
    payeeId: 'acme.nobody',
    amount: hold.amount,
    ...change,
  });

  it('moves money from free to held, back, or to the payee, and books both legs of a capture', async () => {
    const { captureFunds, holdFunds, releaseFunds } = bank.participant();
    const [kept, given] = [await aHold(), await aHold()];
    const payeeId = await bank.merchant();
    await holdFunds([kept, given]);
    expect(await bank.balance(kept.accountId)).toEqual({ free: 70, held: 30 });
    await releaseFunds([kept]);
    expect(await bank.balance(kept.accountId)).toEqual({ free: 100, held: 0 });
    expect(await captureFunds([captureOf(given, { payeeId })])).toMatchObject([{ ok: true }]);
    expect(await bank.balance(given.accountId)).toEqual({ free: 70, held: 0 });
    expect(await bank.balance(payeeId)).toEqual({ free: 30, held: 0 });
    const legs = await bank.admin.select(
      'SELECT account_id, amount FROM ledger_entries WHERE gid = ? ORDER BY amount',
      [given.key.slice(0, given.key.lastIndexOf('/'))],
    );
    expect(legs).toEqual([
      { account_id: given.accountId, amount: '-30' },
      { account_id: payeeId, amount: '30' },
    ]);
  });

  it('writes an event with each effect, in order for its step', async () => {
    const { holdFunds, releaseFunds } = bank.participant();
    const request = await aHold();
    await holdFunds([request]);
    await releaseFunds([request]);
    const events = await bank.admin.select(
      `SELECT event_id, type, aggregate_id, sequence, payload, epoch, partition_no = CRC32(aggregate_id) % 16 AS placed
         FROM outbox WHERE aggregate_id = ? ORDER BY id`,
      [request.key],
    );
    const shared = { aggregate_id: request.key, epoch: 1, placed: '1' };
    const payload = { accountId: request.accountId, currency: 'EUR', amount: '30' };
    expect(events).toMatchObject([
      { ...shared, event_id: `${request.key}/act/1`, type: 'funds.held', sequence: 1, payload },
      {
        ...shared,
        event_id: `${request.key}/undo/1`,
        type: 'funds.released',
        sequence: 2,
        payload,
      },
    ]);
  });

  it('refuses a hold on an account that is short of money, unknown, closed or of another currency', async () => {
    const { holdFunds } = bank.participant();
    const closed = await aHold();
    await bank.admin.change(`UPDATE accounts SET status = 'closed' WHERE id = ?`, [
      closed.accountId,
    ]);
    const short = { ...(await aHold()), amount: eur(101) };
    const unknown = { ...(await aHold()), accountId: 'acme.nobody' };
    const foreign = await aHold('JPY');
    const verdicts = await holdFunds([closed, short, unknown, foreign]);
    const failureOf = ({ key }: HoldFunds) =>
      verdicts.flatMap((verdict) =>
        `${verdict.gid}/${verdict.branch}` === key && !verdict.ok ? [verdict.failure] : [],
      );
    expect([closed, short, unknown, foreign].map(failureOf)).toEqual([
      ['AccountUnavailable'],
      ['InsufficientFunds'],
      ['AccountUnavailable'],
      ['AccountUnavailable'],
    ]);
    expect(await bank.balance(short.accountId)).toEqual({ free: 100, held: 0 });
    const told = verdicts.flatMap((verdict) => (verdict.ok ? [] : [verdict.detail]));
    expect(told).toContainEqual(expect.stringMatching(/: 1\.01 EUR asked, 1\.00 free$/));
  });

  it('refuses a capture for an unknown payee and keeps the hold', async () => {
    const { captureFunds, holdFunds, releaseFunds, sealBranch } = bank.participant();
    const hold = await aHold();
    await holdFunds([hold]);
    const capture = captureOf(hold, {});
    const refusal = { ok: false, failure: 'AccountUnavailable', detail: 'nobody is unknown' };
    expect(await captureFunds([capture])).toMatchObject([refusal]);
    expect(await captureFunds([capture])).toMatchObject([refusal]);
    expect(await sealBranch([capture])).toMatchObject([{ result: { happened: false } }]);
    expect(await bank.row(hold.key)).toMatchObject({ state: 'acted' });
    expect(await releaseFunds([hold])).toMatchObject([{ ok: true, fence: 'undone' }]);
  });

  it('calls a capture of another amount than the hold broken, and of oneself refused', async () => {
    const { captureFunds, holdFunds } = bank.participant();
    const [other, self] = [await aHold(), await aHold()];
    await holdFunds([other, self]);
    const payeeId = await bank.merchant();
    const more = captureOf(other, { payeeId, amount: eur(31) });
    expect(await captureFunds([more])).toMatchObject([{ failure: 'InvariantBroken' }]);
    const own = captureOf(self, { payeeId: self.accountId });
    expect(await captureFunds([own])).toMatchObject([{ failure: 'AccountUnavailable' }]);
    expect(await bank.balance(payeeId)).toEqual({ free: 0, held: 0 });
  });

  it('keeps amounts beyond 2^53 exact', async () => {
    const { holdFunds } = bank.participant();
    const accountId = await bank.customer(0);
    const whole = 2n ** 53n + 1n;
    await bank.admin.change('UPDATE accounts SET balance = ? WHERE id = ?', [whole, accountId]);
    await holdFunds([{ key: aKey(), minEpoch: 0, accountId, amount: eur(2) }]);
    const [row] = await bank.admin.select<{ balance: string }>(
      'SELECT balance FROM accounts WHERE id = ?',
      [accountId],
    );
    await bank.admin.change('UPDATE accounts SET balance = 0, held = 0 WHERE id = ?', [accountId]);
    await bank.admin.change(`UPDATE holds SET state = 'released' WHERE account_id = ?`, [
      accountId,
    ]);
    expect(row?.balance).toBe(String(whole - 2n));
  });

  it('lets no worker change or delete a ledger entry, or move the epoch', async () => {
    const denied = { errno: 1142 };
    await expect(bank.pool.change('UPDATE ledger_entries SET amount = 1')).rejects.toMatchObject(
      denied,
    );
    await expect(bank.pool.change('DELETE FROM ledger_entries')).rejects.toMatchObject(denied);
    await expect(bank.pool.change('UPDATE region_epoch SET epoch = 9')).rejects.toMatchObject(
      denied,
    );
  });

  it('holds the last line against a wrong decision: no negative customer, no negative hold', async () => {
    const id = await bank.customer(1);
    const refused = { errno: 3819 };
    const take = bank.admin.change('UPDATE accounts SET balance = balance - 2 WHERE id = ?', [id]);
    await expect(take).rejects.toMatchObject(refused);
    const unhold = bank.admin.change('UPDATE accounts SET held = held - 1 WHERE id = ?', [id]);
    await expect(unhold).rejects.toMatchObject(refused);
  });

  it('keeps its books while many sets of many gids meet on one merchant', async () => {
    const { captureFunds, holdFunds } = bank.participant();
    const payeeId = await bank.merchant();
    const accountId = await bank.customer(10_000);
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const holds = Array.from({ length: 20 }, () => ({
          key: aKey('holdFunds', aGid()),
          minEpoch: 0,
          accountId,
          amount: eur(5),
        }));
        await holdFunds(holds);
        await captureFunds(holds.map((hold) => captureOf(hold, { payeeId })));
      }),
    );
    expect(await bank.balance(payeeId)).toEqual({ free: 800, held: 0 });
    expect(await bank.violations()).toEqual([]);
  });
});

describe('the seed', () => {
  it('gives stock and accounts whose books sum to zero, and may be repeated', async () => {
    const own = await ownDatabases(['inventory', 'accounts', 'coupons']);
    try {
      await seed(own.urls);
      await seed(own.urls);
      const admin = own.pool(own.adminUrl('accounts'));
      const sums = await admin.select(
        'SELECT currency, SUM(balance + held) AS s FROM accounts GROUP BY currency HAVING s <> 0',
      );
      expect(sums).toEqual([]);
      const [rich] = await admin.select(`SELECT balance FROM accounts WHERE id = 'acme.A-1'`);
      expect(rich).toEqual({ balance: '1000000' });
      const stock = await own
        .pool(own.adminUrl('inventory'))
        .select('SELECT sku, available FROM stock ORDER BY sku');
      expect(stock).toEqual([
        { sku: 'acme.S-1', available: 100 },
        { sku: 'acme.S-2', available: 50 },
        { sku: 'acme.S-RARE', available: 1 },
      ]);
    } finally {
      await own.drop();
    }
  });
});
