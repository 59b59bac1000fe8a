import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { CaptureFunds, HoldFunds } from '../../../../contracts/participants/accounts';
import type { FaultPoint } from '../../../../runtime/faults/points';
import { sqlLimits } from '../../../../activities/fence/sql-transaction';
import { eventually } from '../../../support/eventually';
import {
  aDelivery,
  aKey,
  epochsAt,
  fencedAccounts,
  holdAt,
  type FencedAccounts,
} from '../../../support/fenced-accounts';
import { openConnection } from '../../../../runtime/mysql/door';

describe('the fence, when deliveries meet', () => {
  let bank: FencedAccounts;
  beforeAll(async () => {
    bank = await fencedAccounts();
  });
  afterAll(() => bank.drop());

  const aHold = async (minorUnits = 10): Promise<HoldFunds> => ({
    key: aKey(),
    minEpoch: 0,
    accountId: await bank.customer(100),
    amount: { currency: 'EUR', minorUnits },
  });

  /** A hold that has been taken, and the capture that would consume it. */
  const aCapture = async (): Promise<{
    readonly hold: HoldFunds;
    readonly capture: CaptureFunds;
  }> => {
    const hold = await aHold();
    await bank.participant().holdFunds([hold]);
    const gid = hold.key.slice(0, hold.key.lastIndexOf('/'));
    const payeeId = await bank.merchant();
    const key = aKey('captureFunds', gid);
    return { hold, capture: { key, minEpoch: 0, holdKey: hold.key, payeeId, amount: hold.amount } };
  };

  /** Sessions that are at a statement like this, by the server's own account. */
  const sessionsAt = (statement: string) =>
    bank.admin.select(
      'SELECT id FROM information_schema.processlist WHERE db = ? AND info LIKE ?',
      [`${bank.own.prefix}accounts`, `${statement}%`],
    );
  const isAt = (statement: string) => async () => (await sessionsAt(statement)).length > 0;

  describe('B3 an undo that arrives while the act is open', () => {
    it('undoes it when the act commits', async () => {
      const request = await aHold();
      const point = holdAt('beforeCommit');
      const act = bank.participant({ faults: point }).holdFunds([request]);
      await point.reached;
      const undo = bank.participant().releaseFunds([request]);
      await eventually(isAt('INSERT INTO fence'));
      point.release();
      expect(await act).toMatchObject([{ ok: true, fence: 'first' }]);
      expect(await undo).toMatchObject([{ ok: true, fence: 'undone' }]);
      expect(await bank.balance(request.accountId)).toEqual({ free: 100, held: 0 });
    });

    it('leaves an empty row when the act rolls back', async () => {
      const request = await aHold();
      const abort = new AbortController();
      const point = holdAt('beforeCommit');
      const delivery = () => aDelivery({ signal: abort.signal });
      const act = bank.participant({ faults: point, delivery }).holdFunds([request]);
      await point.reached;
      const undo = bank.participant().releaseFunds([request]);
      await eventually(isAt('INSERT INTO fence'));
      abort.abort(new Error('Cancelled.'));
      await expect(act).rejects.toThrow('Cancelled.');
      expect(await undo).toMatchObject([{ ok: true, fence: 'empty' }]);
      point.release();
      expect(await bank.participant().holdFunds([request])).toMatchObject([{ failure: 'Fenced' }]);
    });

    it('leaves an empty row when the connection of the act is killed', async () => {
      const request = await aHold();
      const point = holdAt('beforeCommit');
      const pool = bank.own.pool(bank.own.urls.ACCOUNTS_DATABASE_URL, { connectionLimit: 1 });
      const [victim] = await pool.select<{ id: string }>('SELECT CONNECTION_ID() AS id');
      const act = bank.participant({ faults: point, pool }).holdFunds([request]);
      await point.reached;
      const undo = bank.participant().releaseFunds([request]);
      await eventually(isAt('INSERT INTO fence'));
      await bank.admin.change('KILL ?', [Number(victim?.id)]);
      point.release();
      await expect(act).rejects.toThrow();
      expect(await undo).toMatchObject([{ ok: true, fence: 'empty' }]);
      expect(await bank.balance(request.accountId)).toEqual({ free: 100, held: 0 });
    });
  });

  describe('B10 an attempt that goes on after the next one and after the undo', () => {
    it.each([
      ['before', 'fenced'],
      ['begun', 'fenced'],
      ['entered', 'SqlTimeout'], // It holds the row: attempt 2 waits until its time is over.
      ['beforeCommit', 'SqlTimeout'],
      ['afterCommit', 'first'],
    ] as const)(
      'takes no effect of its own when it was held at %s, and ends as %s',
      async (at: FaultPoint, end: string) => {
        const request = await aHold();
        const point = holdAt(at);
        // Below the time for which attempt 2 waits for its row; enough for a busy machine to come to the point.
        const transactionMs = end === 'SqlTimeout' ? 1_500 : sqlLimits.transactionMs;
        const pool = bank.slowPool({ ...sqlLimits, transactionMs });
        await pool.select('SELECT 1 AS one');
        const zombie = bank.participant({ faults: point, pool }).holdFunds([request]);
        const outcome = zombie.then(
          ([verdict]) => verdict?.fence,
          (error: unknown) => (error instanceof Error ? error.name : 'unknown'),
        );
        await point.reached;
        const { holdFunds, releaseFunds } = bank.participant();
        const [second] = await holdFunds([request]);
        expect(second?.ok).toBe(true);
        expect(await releaseFunds([request])).toMatchObject([{ ok: true, fence: 'undone' }]);
        point.release();
        expect(await outcome).toBe(end);
        expect(await bank.balance(request.accountId)).toEqual({ free: 100, held: 0 });
        expect(await bank.row(request.key)).toMatchObject({ state: 'undone' });
      },
    );

    it('is fenced when nothing but its undo came in between', async () => {
      const request = await aHold();
      const point = holdAt('before');
      const zombie = bank.participant({ faults: point }).holdFunds([request]);
      await point.reached;
      await bank.participant().releaseFunds([request]);
      point.release();
      expect(await zombie).toMatchObject([{ failure: 'Fenced' }]);
      expect(await bank.balance(request.accountId)).toEqual({ free: 100, held: 0 });
    });
  });

  it('B16 lets an undo in behind an act that outlives its time, and leaves no session of it on the server', async () => {
    const request = await aHold();
    const blocker = await openConnection({ url: bank.own.adminUrl('accounts') });
    await blocker.query('START TRANSACTION');
    await blocker.query('SELECT id FROM accounts WHERE id = ? FOR UPDATE', [request.accountId]);
    const pool = bank.slowPool({ ...sqlLimits, statementMs: 300 });
    await expect(bank.participant({ pool }).holdFunds([request])).rejects.toMatchObject({
      name: 'SqlTimeout',
    });
    const began = performance.now();
    expect(await bank.participant().releaseFunds([request])).toMatchObject([{ fence: 'empty' }]);
    expect(performance.now() - began).toBeLessThan(1_000);
    await eventually(async () => !(await isAt('SELECT id, kind')()), { withinMs: 1_000 });
    await blocker.query('ROLLBACK');
    await blocker.end();
    expect(await bank.balance(request.accountId)).toEqual({ free: 100, held: 0 });
  });

  it('B16 retries an undo that waited for the row longer than MySQL lets it', async () => {
    const request = await aHold();
    const retries: number[] = [];
    const metrics = {
      verdict: () => undefined,
      sqlRetry: (_: string, errno: number) => retries.push(errno),
      staleEpoch: () => undefined,
    };
    const point = holdAt('entered');
    // Nobody's time is over before MySQL gives the wait up, however slow the machine is.
    const pool = bank.slowPool({
      ...sqlLimits,
      statementMs: 30_000,
      transactionMs: 60_000,
      triesMs: 60_000,
    });
    const delivery = () => aDelivery({ deadline: performance.now() + 60_000 });
    const act = bank.participant({ pool, delivery, faults: point }).holdFunds([request]);
    await point.reached;
    const undo = bank.participant({ pool, delivery, metrics }).releaseFunds([request]);
    await eventually(() => retries.length > 0, { withinMs: 30_000 });
    point.release();
    await act;
    expect(retries[0]).toBe(1205);
    expect(await undo).toMatchObject([{ ok: true, fence: 'undone' }]);
  });

  it('B20 gives act and seal that meet exactly one side', async () => {
    const { holdFunds, sealBranch } = bank.participant();
    const sides = new Set<string>();
    for (let round = 0; round < 40; round += 1) {
      const request = await aHold();
      const sealFirst = round % 2 === 0 ? sealBranch([request]) : undefined;
      const acting = holdFunds([request]);
      const [[act], [seal]] = await Promise.all([acting, sealFirst ?? sealBranch([request])]);
      const happened = seal?.ok === true && seal.result.happened;
      expect(act?.ok).toBe(happened);
      sides.add(String(happened));
      const held = happened ? 10 : 0;
      expect(await bank.balance(request.accountId)).toEqual({ free: 100 - held, held });
    }
    expect([...sides].sort()).toEqual(['false', 'true']);
  });

  it('B22 makes a promotion wait for open writers, and refuses those of the old epoch behind it', async () => {
    const other = await fencedAccounts();
    try {
      const accountId = await other.customer(100);
      const request = {
        key: aKey(),
        minEpoch: 0,
        accountId,
        amount: { currency: 'EUR', minorUnits: 10 },
      } as const;
      const point = holdAt('beforeCommit');
      const open = other.participant({ faults: point }).holdFunds([request]);
      await point.reached;
      let isPromoted = false;
      const promotion = other.admin
        .change(
          'UPDATE region_epoch SET epoch = epoch + 1, changed_at = UTC_TIMESTAMP(3) WHERE id = 1',
        )
        .then(() => (isPromoted = true));
      await eventually(async () => {
        const [waiting] = await other.admin.select<{ n: string }>(
          `SELECT COUNT(*) AS n FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'`,
        );
        return Number(waiting?.n) > 0;
      });
      expect(isPromoted).toBe(false);
      point.release();
      expect(await open).toMatchObject([{ ok: true, epoch: 1 }]);
      await promotion;
      const late = { ...request, key: aKey() };
      await expect(other.participant().holdFunds([late])).rejects.toMatchObject({
        type: 'StaleEpoch',
      });
      expect(await other.row(late.key)).toBeUndefined();
      const after = other.participant({ epochs: epochsAt(2) });
      expect(await after.holdFunds([{ ...late, minEpoch: 1 }])).toMatchObject([
        { ok: true, epoch: 2 },
      ]);
    } finally {
      await other.drop();
    }
  });

  describe('B24 a pivot that consumes a hold', () => {
    it('captures once when it comes twice at once, with one answer', async () => {
      const { captureFunds } = bank.participant();
      for (let round = 0; round < 15; round += 1) {
        const { hold, capture } = await aCapture();
        const answers = (
          await Promise.all([captureFunds([capture]), captureFunds([capture])])
        ).flat();
        expect(answers.map(({ fence }) => fence).sort()).toEqual(['duplicate', 'first']);
        expect(await bank.balance(capture.payeeId)).toEqual({ free: 10, held: 0 });
        expect(await bank.row(hold.key)).toMatchObject({ state: 'confirmed' });
        expect(await bank.row(capture.key)).toMatchObject({ state: 'acted' });
      }
    });

    it('is fenced after the hold was released, and its own row is empty for good', async () => {
      const { captureFunds, releaseFunds, sealBranch } = bank.participant();
      const { hold, capture } = await aCapture();
      await releaseFunds([hold]);
      expect(await captureFunds([capture])).toMatchObject([{ failure: 'Fenced', fence: 'fenced' }]);
      expect(await captureFunds([capture])).toMatchObject([{ failure: 'Fenced', fence: 'fenced' }]);
      expect(await bank.row(capture.key)).toMatchObject({ state: 'empty' });
      expect(await sealBranch([capture])).toMatchObject([{ result: { happened: false } }]);
      expect(await bank.balance(capture.payeeId)).toEqual({ free: 0, held: 0 });
    });

    it('stands on one side with a seal that meets it, and an undo of the hold after "never" is sound', async () => {
      const { captureFunds, releaseFunds, sealBranch } = bank.participant();
      for (let round = 0; round < 40; round += 1) {
        const { hold, capture } = await aCapture();
        const [[captured], [sealed]] = await Promise.all([
          captureFunds([capture]),
          sealBranch([capture]),
        ]);
        const happened = sealed?.ok === true && sealed.result.happened;
        expect(captured?.ok).toBe(happened);
        const [undone] = happened ? [] : await releaseFunds([hold]);
        expect(undone?.ok).toBe(happened ? undefined : true);
        expect(await bank.balance(capture.payeeId)).toEqual({ free: happened ? 10 : 0, held: 0 });
      }
    });

    it('calls the undo of its hold broken once it has happened', async () => {
      const { captureFunds, releaseFunds } = bank.participant();
      const { hold, capture } = await aCapture();
      await captureFunds([capture]);
      expect(await releaseFunds([hold])).toMatchObject([{ failure: 'InvariantBroken' }]);
      expect(await bank.balance(hold.accountId)).toEqual({ free: 90, held: 0 });
    });

    it('is broken without a hold, and leaves no row', async () => {
      const { captureFunds } = bank.participant();
      const { capture } = await aCapture();
      const missing = { ...capture, holdKey: aKey() };
      expect(await captureFunds([missing])).toMatchObject([{ failure: 'InvariantBroken' }]);
      expect(await bank.row(capture.key)).toBeUndefined();
      expect(await captureFunds([capture])).toMatchObject([{ ok: true, fence: 'first' }]);
      const again = { ...capture, key: `${capture.key}Again` };
      expect(await captureFunds([again])).toMatchObject([{ failure: 'InvariantBroken' }]);
      expect(await bank.row(again.key)).toBeUndefined();
    });

    it('consumes one hold once within a set', async () => {
      const { captureFunds } = bank.participant();
      const { capture } = await aCapture();
      const twin = { ...capture, key: `${capture.key}Twin` };
      const verdicts = await captureFunds([twin, capture]);
      expect(verdicts.map(({ ok }) => ok).sort()).toEqual([false, true]);
      expect(await bank.balance(capture.payeeId)).toEqual({ free: 10, held: 0 });
    });
  });

  it('ends with books that every oracle finds in order', async () => {
    expect(await bank.violations()).toEqual([]);
  });
});
