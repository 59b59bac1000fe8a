import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { seedCustomers } from '../../scripts/seed';
import { aPayment, ownApplication, type OwnApplication } from '../support/application';
import { expectSoundBooks } from '../support/books';

const inFlight = 200;
const minorUnits = 100;
/** On the slowest machine: what is too late is undone, and that is not what is asked here. */
const deadlineMs = 600_000;

describe('one account that everybody pays', () => {
  let application: OwnApplication;
  const payers = Array.from({ length: inFlight }, (_, at) => `payer-${at}`);

  beforeAll(async () => {
    application = await ownApplication();
    const { databases, tenant } = application;
    await Promise.all([
      seedCustomers(databases.urls, tenant, payers, minorUnits),
      application.start('api'),
      application.start('worker'),
      application.start('worker', 'other-worker'),
    ]);
  }, 90_000);
  afterAll(() => application.close(), 60_000);

  it(`with ${inFlight} payments in flight gets every cent, and every caller gets an answer`, async () => {
    const answers = await Promise.all(
      payers.map((from) =>
        application.request('POST', '/v1/payments', {
          body: { ...aPayment({ from, minorUnits }), deadlineMs },
          waitSeconds: 10, // Well below what a request may take: two hundred are answered at once.
        }),
      ),
    );
    // Never an error: whatever was in the way, a deadlock among it, was tried again behind the answer.
    expect(answers.filter(({ status }) => status !== 200 && status !== 202)).toEqual([]);
    const endings = await Promise.all(answers.map(({ body }) => ended(String(body['gid']))));
    expect(new Set(endings)).toEqual(new Set(['completed']));
    const [merchant] = await application.sql(
      'accounts',
      `SELECT balance, held FROM accounts WHERE id = 'acme.merchant-EUR'`,
    );
    expect(merchant).toEqual({ balance: String(inFlight * minorUnits), held: '0' });
    const [left] = await application.sql(
      'accounts',
      `SELECT SUM(balance) AS free, SUM(held) AS held FROM accounts WHERE id LIKE 'acme.payer-%'`,
    );
    expect(left).toEqual({ free: '0', held: '0' });
    await expectSoundBooks(application, inFlight);
  }, 360_000);

  /** Some had to wait longer than one request may. */
  const ended = async (gid: string): Promise<unknown> => {
    const deadline = Date.now() + 300_000;
    for (;;) {
      const path = `/v1/transactions/${gid}`;
      const { body } = await application.request('GET', path, { waitSeconds: 10 });
      const { state } = body;
      if (state === 'completed' || state === 'compensated' || Date.now() > deadline) return state;
    }
  };
});
