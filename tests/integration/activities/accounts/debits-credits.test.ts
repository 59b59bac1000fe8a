import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { SqlTimeout } from '../../../../activities/fence/sql-transaction';
import type { AccountsActivities } from '../../../../contracts/participants';
import type { BusinessId, StepKey } from '../../../../contracts/engine/ids';
import {
  aKey,
  accountsOver,
  fencedAccounts,
  type FencedAccounts,
} from '../../../support/fenced-accounts';
import { participantFence } from '../../../support/participant-fence';
import { eventsAgainstCatalogue } from '../../../support/catalogue';

const eur = (minorUnits: number) => ({ currency: 'EUR', minorUnits }) as const;
const clearing: BusinessId = 'acme.clearing-EUR';

describe('debits and credits', () => {
  let bank: FencedAccounts;
  let accounts: AccountsActivities;
  beforeAll(async () => {
    bank = await fencedAccounts();
    // Every call is a delivery of its own: many wait for one row, and each has its own time.
    accounts = accountsOver(participantFence(bank.pool));
    await bank.admin.change(
      `INSERT INTO accounts (id, tenant, kind, currency) VALUES (?, 'acme', 'clearing', 'EUR')`,
      [clearing],
    );
  });
  afterAll(() => bank.drop());

  const keyed = (key: StepKey) => ({ key, minEpoch: 0 });
  const aDebit = (accountId: BusinessId, payeeId: BusinessId, minorUnits: number) => ({
    ...keyed(aKey('debit')),
    accountId,
    payeeId,
    amount: eur(minorUnits),
  });
  const aCredit = (accountId: BusinessId, sourceId: BusinessId, minorUnits: number) => ({
    ...keyed(aKey('credit')),
    accountId,
    sourceId,
    amount: eur(minorUnits),
  });
  const movementsOf = (accountId: BusinessId) =>
    bank.admin.select(
      'SELECT op, amount, settlement_id FROM merchant_movements WHERE account_id = ? ORDER BY id',
      [accountId],
    );

  it('writes a movement with each leg of a merchant, and none before the confirm or for anybody else', async () => {
    const merchant = await bank.merchant();
    const customer = await bank.customer(100);
    const paid = aDebit(customer, merchant, 40);
    await accounts.reserveDebit([paid]);
    expect(await movementsOf(merchant)).toEqual([]);
    await accounts.confirmDebit([keyed(paid.key)]);
    const back = aDebit(merchant, clearing, 15);
    await accounts.reserveDebit([back]);
    await accounts.confirmDebit([keyed(back.key)]);
    const gained = aCredit(merchant, clearing, 15);
    await accounts.reserveCredit([gained]);
    for (let times = 0; times < 2; times += 1) await accounts.confirmCredit([keyed(gained.key)]);
    const open = { op: 'confirm', settlement_id: null };
    expect(await movementsOf(merchant)).toEqual([
      { ...open, amount: '40' },
      { ...open, amount: '-15' },
      { ...open, amount: '15' },
    ]);
    expect(await movementsOf(customer)).toEqual([]);
    expect(await bank.balance(merchant)).toEqual({ free: 40, held: 0 });
    expect(await bank.violations()).toEqual([]);
  });

  it('refuses a credit to or out of an account that cannot take part, and the refusal stands', async () => {
    const merchant = await bank.merchant();
    const closed = await bank.merchant();
    await bank.admin.change(`UPDATE accounts SET status = 'closed' WHERE id = ?`, [closed]);
    const refusals = [
      [aCredit('acme.nobody', clearing, 5), 'nobody is unknown'],
      [aCredit(closed, clearing, 5), `${closed.slice('acme.'.length)} is closed`],
      [aCredit(merchant, 'acme.nobody', 5), 'nobody is unknown'],
      [aCredit(merchant, closed, 5), `${closed.slice('acme.'.length)} is closed`],
      [aCredit(merchant, merchant, 5), `${merchant.slice('acme.'.length)} would pay itself`],
      [aCredit(clearing, merchant, 5), 'clearing-EUR belongs to the books alone'],
      [
        { ...aCredit(merchant, clearing, 5), amount: { currency: 'USD', minorUnits: 5 } },
        `${merchant.slice('acme.'.length)} is not in USD`,
      ],
    ] as const;
    for (const [request, detail] of refusals) {
      const refusal = { ok: false, failure: 'AccountUnavailable', detail };
      expect(await accounts.reserveCredit([request])).toMatchObject([refusal]);
      expect(await accounts.reserveCredit([request])).toMatchObject([
        { ...refusal, fence: 'refused' },
      ]);
    }
  });

  it('pays 200 debits at once into one merchant, exactly, and no caller hears of a deadlock', async () => {
    const merchant = await bank.merchant();
    const payers = await Promise.all(Array.from({ length: 20 }, () => bank.customer(1_000)));
    const debits = payers.flatMap((payer) =>
      Array.from({ length: 10 }, () => aDebit(payer, merchant, 3)),
    );
    const verdicts = await Promise.all(
      debits.map(async (debit) => {
        await untilInTime(() => accounts.reserveDebit([debit]));
        return untilInTime(() => accounts.confirmDebit([keyed(debit.key)]));
      }),
    );
    expect(verdicts.flat().filter(({ ok }) => !ok)).toEqual([]);
    expect(await bank.balance(merchant)).toEqual({ free: 600, held: 0 });
    for (const payer of payers) expect(await bank.balance(payer)).toEqual({ free: 970, held: 0 });
    expect(await movementsOf(merchant)).toHaveLength(200);
    expect(await bank.violations()).toEqual([]);
  });

  it('lets no worker change or forget a movement, but claim it', async () => {
    const denied = [
      'UPDATE merchant_movements SET amount = 1',
      'DELETE FROM merchant_movements',
    ].map((statement) => bank.pool.change(statement));
    expect(await Promise.allSettled(denied)).toMatchObject([
      { status: 'rejected', reason: { errno: 1143 } }, // No right to a column.
      { status: 'rejected', reason: { errno: 1142 } },
    ]);
    const claim = 'UPDATE merchant_movements SET settlement_id = NULL, settlement_page = NULL';
    await expect(bank.pool.change(claim)).resolves.toEqual(expect.any(Number));
  });

  it('announces what the catalogue of events says', async () => {
    const { fit, misfits } = await eventsAgainstCatalogue(bank.admin);
    expect(misfits).toEqual([]);
    expect(fit).toBeGreaterThan(0);
  });
});

/** Delivered again as Temporal would, where a busy machine takes longer than a statement may. */
async function untilInTime<Verdicts>(deliver: () => Promise<Verdicts>): Promise<Verdicts> {
  for (;;) {
    try {
      return await deliver();
    } catch (error) {
      if (!(error instanceof SqlTimeout)) throw error;
    }
  }
}
