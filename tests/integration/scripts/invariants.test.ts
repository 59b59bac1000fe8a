import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { openPack } from '../../../books/pack';
import { fillBooks } from '../../../scripts/bench/filled-books';
import { plansOf, type Plan } from '../../../scripts/bench/invariants';
import { databases } from '../../../scripts/databases';
import { ownDatabases, type OwnDatabases } from '../../support/databases';

/** More than are new, so that a scan would read what an index need not. */
const transactions = 10_000;
/** Tables that grow with every transaction have more rows than this here. */
const fewRows = 4_000;
/** They grow with customers, and their sum is asked: every account is part of it. */
const summed = new Set(['accounts', 'a']);

describe('a look at what changed lately', () => {
  let own: OwnDatabases;
  let urls: readonly string[];

  beforeAll(async () => {
    own = await ownDatabases(databases);
    urls = own.urls.VERIFY_DATABASE_URLS.split(',');
    await fillBooks(
      (database) => own.adminUrl(database),
      transactions,
      () => undefined,
    );
  }, 180_000);
  afterAll(() => own.drop());

  it('finds what is new by an index: no table that grows with transactions is read whole', async () => {
    const plans = await plansOf(urls);
    expect(plans.length).toBeGreaterThan(30);
    const scans = (plan: Plan) =>
      plan.steps
        .filter(({ type, rows }) => (type === 'ALL' || type === 'index') && rows > fewRows)
        .filter(({ table }) => !table.startsWith('<') && !summed.has(table))
        .map(({ table, type, rows }) => `${plan.id} ${plan.database}: ${table} ${type} ${rows}`);
    expect(plans.flatMap(scans)).toEqual([]);
  });

  it('judges fewer rows than the whole, and both find filled books sound', async () => {
    const pack = openPack(urls);
    try {
      const lately = await pack.check(['moment', 'ended']);
      const whole = await pack.check(['whole']);
      expect([...lately.violations, ...whole.violations]).toEqual([]);
      const judged = (of: typeof whole, id: string) =>
        of.checks.find((check) => check.id === id && check.database !== 'coupons')?.rows ?? 0;
      for (const id of ['B', 'F', 'F2', 'G', 'X2', 'X4', 'X6']) {
        expect(judged(lately, id)).toBeGreaterThan(0);
        expect(judged(lately, id)).toBeLessThan(judged(whole, id));
      }
    } finally {
      await pack.close();
    }
  }, 60_000);
});
