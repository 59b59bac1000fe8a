import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { gidOf, stepKeyOf, type BusinessId } from '../../../../contracts/engine/ids';
import type { AccountsActivities } from '../../../../contracts/participants';
import {
  aKey,
  accountsOver,
  fencedAccounts,
  type FencedAccounts,
} from '../../../support/fenced-accounts';
import { participantFence } from '../../../support/participant-fence';
import { eventsAgainstCatalogue } from '../../../support/catalogue';

const eur = (minorUnits: number) => ({ currency: 'EUR', minorUnits }) as const;
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const dayMs = 86_400_000;

describe('a settlement', () => {
  let bank: FencedAccounts;
  let settlements: AccountsActivities;
  beforeAll(async () => {
    bank = await fencedAccounts();
    settlements = accountsOver(participantFence(bank.pool));
  });
  afterAll(() => bank.drop());

  /** A capture that a merchant of a tenant of its own gained, as long ago as the test wants. */
  const earn = async (merchant: BusinessId, minorUnits: number, daysAgo: number): Promise<void> => {
    const { holdFunds, captureFunds } = accountsOver(participantFence(bank.pool));
    const hold = { key: aKey(), minEpoch: 0, accountId: await bank.customer(1_000) };
    const amount = eur(minorUnits);
    await holdFunds([{ ...hold, amount }]);
    const key = hold.key.replace('holdFunds', 'captureFunds');
    await captureFunds([{ key, minEpoch: 0, holdKey: hold.key, payeeId: merchant, amount }]);
    await bank.admin.change(
      `UPDATE merchant_movements SET occurred_at = UTC_TIMESTAMP(3) - INTERVAL ? DAY WHERE gid = ?`,
      [daysAgo, key.slice(0, key.lastIndexOf('/'))],
    );
  };
  const merchantOf = async (tenant: string): Promise<BusinessId> => {
    const id = `${tenant}.merchant-EUR`;
    await bank.admin.change(
      `INSERT INTO accounts (id, tenant, kind, currency) VALUES (?, ?, 'merchant', 'EUR')`,
      [id, tenant],
    );
    return id;
  };
  const requestsOf = (tenant: string, day: string) => {
    const settlementId = `${tenant}.EUR-${day}`;
    const gid = gidOf('settlement', settlementId);
    const of = (branch: string) => ({ key: stepKeyOf(gid, branch), minEpoch: 0, settlementId });
    return {
      settlementId,
      open: {
        ...of('openSettlement'),
        tenant,
        currency: 'EUR',
        day,
        requestedBy: 'shop',
      } as const,
      page: (page: number, rows: number) => ({ ...of(`claim-${page}`), page, rows }),
      close: of('closeSettlement'),
    };
  };
  const settle = async (tenant: string, day: string, rows = 1_000): Promise<number> => {
    const requests = requestsOf(tenant, day);
    await settlements.openSettlement([requests.open]);
    let total = 0;
    for (let page = 1; ; page += 1) {
      const [verdict] = await settlements.claimSettlementPage([requests.page(page, rows)]);
      if (!verdict?.ok) throw new Error(JSON.stringify(verdict));
      total += verdict.result.claimed;
      if (verdict.result.claimed < rows) break;
    }
    await settlements.closeSettlement([requests.close]);
    return total;
  };
  const positionsOf = (settlementId: BusinessId) =>
    bank.admin.select(
      `SELECT p.account_id, p.movements, p.credited, p.debited, p.net, s.state, s.pages, s.credited AS total
         FROM settlement_positions p JOIN settlements s USING (settlement_id) WHERE settlement_id = ?`,
      [settlementId],
    );
  const yesterday = dayOf(Date.now() - dayMs);

  it('claims a day page by page, each movement once, and nets what merchants gained', async () => {
    const merchant = await merchantOf('one');
    for (const minor of [10, 20, 30, 40, 50]) await earn(merchant, minor, 1);
    expect(await settle('one', yesterday, 2)).toBe(5);
    expect(await positionsOf(`one.EUR-${yesterday}`)).toEqual([
      {
        account_id: merchant,
        movements: 5,
        credited: '150',
        debited: '0',
        net: '150',
        state: 'closed',
        pages: 3,
        total: '150',
      },
    ]);
  });

  it('is the same one when it is run twice, and a late payment goes to the next', async () => {
    const merchant = await merchantOf('two');
    await earn(merchant, 100, 2);
    const dayBefore = dayOf(Date.now() - 2 * dayMs);
    expect(await settle('two', dayBefore)).toBe(1);
    await earn(merchant, 7, 2); // Late: of a day that is settled.
    await earn(merchant, 9, 0); // A movement of today is not settled yet.
    expect(await settle('two', dayBefore)).toBe(1);
    expect(await positionsOf(`two.EUR-${dayBefore}`)).toMatchObject([{ net: '100' }]);
    expect(await settle('two', yesterday)).toBe(1);
    expect(await positionsOf(`two.EUR-${yesterday}`)).toMatchObject([{ net: '7' }]);
  });

  it('claims no movement twice where two settlements run at once', async () => {
    const merchant = await merchantOf('three');
    for (let at = 0; at < 30; at += 1) await earn(merchant, 1, 2);
    const days = [dayOf(Date.now() - 2 * dayMs), yesterday];
    const claimed = await Promise.all(days.map((day) => settle('three', day, 4)));
    expect(claimed.reduce((sum, one) => sum + one, 0)).toBe(30);
    const [sum] = await bank.admin.select(
      `SELECT SUM(net) AS net, SUM(movements) AS movements FROM settlement_positions WHERE settlement_id LIKE 'three.%'`,
    );
    expect(sum).toEqual({ net: '30', movements: '30' });
  });

  it('waits until its day is over: a clock that is ahead leaves no refusal that would stand for ever', async () => {
    const { open, settlementId } = requestsOf('four', dayOf(Date.now()));
    await expect(settlements.openSettlement([open])).rejects.toMatchObject({
      type: 'NotYet',
      nonRetryable: false,
    });
    const left = await bank.admin.select('SELECT 1 FROM fence WHERE gid = ?', [
      gidOf('settlement', settlementId),
    ]);
    expect(left).toEqual([]);
  });

  it('takes no page before it is open, and none after it is closed', async () => {
    const requests = requestsOf('five', yesterday);
    const broken = [{ ok: false, failure: 'InvariantBroken' }];
    expect(await settlements.claimSettlementPage([requests.page(1, 10)])).toMatchObject(broken);
    await merchantOf('five');
    await settle('five', yesterday);
    expect(await settlements.claimSettlementPage([requests.page(9, 10)])).toMatchObject(broken);
  });

  it('has every movement of a merchant, and nothing else, and the books add up', async () => {
    const drift = await bank.admin.select(
      `SELECT a.id FROM accounts a
         LEFT JOIN (SELECT account_id, SUM(amount) s FROM merchant_movements GROUP BY account_id) m ON m.account_id = a.id
         LEFT JOIN (SELECT account_id, SUM(amount) s FROM ledger_entries WHERE gid NOT LIKE 'opening:%'
                    GROUP BY account_id) e ON e.account_id = a.id
         WHERE a.kind = 'merchant' AND COALESCE(m.s, 0) <> COALESCE(e.s, 0)`,
    );
    expect(drift).toEqual([]);
    expect(await bank.violations()).toEqual([]);
  });

  it('announces what the catalogue of events says', async () => {
    const { fit, misfits } = await eventsAgainstCatalogue(bank.admin);
    expect(misfits).toEqual([]);
    expect(fit).toBeGreaterThan(0);
  });
});
