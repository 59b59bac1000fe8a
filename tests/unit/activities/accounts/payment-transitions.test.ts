import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

import { paymentStatuses, paymentTransitions } from '../../../../contracts/participants/payments';

const migration = readFileSync(
  join(__dirname, '../../../../scripts/migrations/accounts/009.do.payments.sql'),
  'utf8',
);

describe('the moves of a payment', () => {
  it('are the same in the database and in the contract', () => {
    const inContract = paymentStatuses.flatMap((from) =>
      paymentTransitions[from].map((to) => `${from}>${to}`),
    );
    const inSql = [...migration.matchAll(/\('(\w+)', '(\w+)'\)/g)].map(
      ([, from, to]) => `${from}>${to}`,
    );
    expect(inSql.sort()).toEqual(inContract.sort());
    expect(inSql).not.toHaveLength(0);
  });

  it('are between the same statuses', () => {
    const [, list = ''] = /status\s+ENUM\(([^)]*)\)/.exec(migration) ?? [];
    expect(list.split(',').map((name) => name.replaceAll("'", ''))).toEqual([...paymentStatuses]);
  });
});
