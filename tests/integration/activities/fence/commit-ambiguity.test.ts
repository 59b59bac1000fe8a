import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { createProxy, type Proxy } from '../../../../runtime/tcp-proxy/proxy';
import { aKey, fencedAccounts, type FencedAccounts } from '../../../support/fenced-accounts';

/** Below what is usual, so that the test is short; a commit on a busy disk needs less. */
const statementMs = 1_000;

describe('a commit whose answer is lost', () => {
  let bank: FencedAccounts;
  let proxy: Proxy;
  beforeAll(async () => {
    bank = await fencedAccounts();
  });
  afterAll(() => bank.drop());
  beforeEach(async () => {
    proxy = await createProxy({ target: bank.own.urls.ACCOUNTS_DATABASE_URL });
  });
  afterEach(() => proxy.close());

  const aHold = async () => ({
    key: aKey(),
    minEpoch: 0,
    accountId: await bank.customer(100),
    amount: { currency: 'EUR', minorUnits: 10 } as const,
  });

  it('B9 was committed when it was cut after COMMIT, and the next delivery gives the stored answer', async () => {
    const through = bank.participant({ pool: bank.own.pool(proxy.url) });
    const rounds = 20;
    for (let round = 1; round <= rounds; round += 1) {
      const request = await aHold();
      proxy.cutAfter('COMMIT');
      await expect(through.holdFunds([request])).rejects.toMatchObject({ code: 'ECONNRESET' });
      expect(await bank.row(request.key)).toMatchObject({ state: 'acted', deliveries: 1 });
      expect(await through.holdFunds([request])).toMatchObject([
        { ok: true, fence: 'duplicate', result: { holdKey: request.key } },
      ]);
      expect(await bank.balance(request.accountId)).toEqual({ free: 90, held: 10 });
    }
    expect(proxy.counters()).toMatchObject({ cutsAfter: rounds, cutsBefore: 0 });
  });

  it('B9 was not committed when it was cut before COMMIT, and the client sees the same reset', async () => {
    const through = bank.participant({ pool: bank.own.pool(proxy.url) });
    const rounds = 20;
    for (let round = 1; round <= rounds; round += 1) {
      const request = await aHold();
      proxy.cutBefore('COMMIT');
      await expect(through.holdFunds([request])).rejects.toMatchObject({ code: 'ECONNRESET' });
      expect(await through.holdFunds([request])).toMatchObject([{ ok: true, fence: 'first' }]);
      expect(await bank.balance(request.accountId)).toEqual({ free: 90, held: 10 });
    }
    expect(proxy.counters()).toMatchObject({ cutsAfter: 0, cutsBefore: rounds });
  });

  it('ends within its time behind a black hole, and works again when that heals', async () => {
    const limits = { ...bank.pool.limits, statementMs };
    const through = bank.participant({ pool: bank.own.pool(proxy.url, { limits }) });
    const request = await aHold();
    await through.holdFunds([await aHold()]);
    proxy.pass('blackhole');
    await expect(through.holdFunds([request])).rejects.toMatchObject({ name: 'SqlTimeout' });
    proxy.pass('open');
    proxy.reset();
    expect(await through.holdFunds([request])).toMatchObject([{ ok: true, fence: 'first' }]);
  });

  it.each(['before', 'begun', 'entered', 'beforeCommit'] as const)(
    'B23 gives up in time when the statement after %s is never answered, and the pool works at once',
    async (point) => {
      const limits = { ...bank.pool.limits, statementMs };
      const pool = bank.own.pool(proxy.url, { connectionLimit: 1, limits });
      await pool.select('SELECT 1 AS one');
      let isArmed = true;
      const faults = {
        reach: (_activity: string, at: string) => {
          if (at === point && isArmed) proxy.pass('blackhole');
          return Promise.resolve();
        },
      };
      const through = bank.participant({ pool, faults });
      const request = await aHold();
      await expect(through.holdFunds([request])).rejects.toMatchObject({ name: 'SqlTimeout' });
      isArmed = false;
      proxy.pass('open');
      proxy.reset();
      expect(await through.holdFunds([request])).toMatchObject([{ ok: true, fence: 'first' }]);
      expect(await bank.balance(request.accountId)).toEqual({ free: 90, held: 10 });
    },
  );

  it('only takes longer under latency', async () => {
    const through = bank.participant({ pool: bank.own.pool(proxy.url) });
    proxy.latency(10);
    const began = performance.now();
    expect(await through.holdFunds([await aHold()])).toMatchObject([{ ok: true }]);
    expect(performance.now() - began).toBeGreaterThan(100);
  });

  it('ends with books that every oracle finds in order', async () => {
    expect(await bank.violations()).toEqual([]);
  });
});
