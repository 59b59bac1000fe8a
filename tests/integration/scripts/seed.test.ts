import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { seed } from '../../../scripts/seed';
import { ownDatabases, type OwnDatabases } from '../../support/databases';

describe('what a tenant begins with', () => {
  let own: OwnDatabases;
  beforeAll(async () => {
    own = await ownDatabases(['inventory', 'accounts', 'coupons']);
  }, 60_000);
  afterAll(() => own.drop());

  const currenciesOf = async (kind: string): Promise<readonly string[]> => {
    const rows = await own
      .pool(own.adminUrl('accounts'), { connectionLimit: 1 })
      .select<{ readonly currency: string }>(
        'SELECT currency FROM accounts WHERE kind = ? ORDER BY currency',
        [kind],
      );
    return rows.map(({ currency }) => currency);
  };

  it('is accounts in six currencies, and in each other one that is asked for, once', async () => {
    const few = ['CLF', 'EUR', 'GBP', 'JPY', 'KWD', 'USD'];
    await seed(own.urls, 'acme');
    expect(await currenciesOf('clearing')).toEqual(few);

    await seed(own.urls, 'acme', ['SEK', 'CHF', 'EUR']);
    await seed(own.urls, 'acme', ['SEK', 'CHF', 'EUR']);
    for (const kind of ['clearing', 'merchant', 'external'])
      expect(await currenciesOf(kind)).toEqual([...few, 'CHF', 'SEK'].sort());
  });
});
