import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '@temporalio/client';
import type { Connection } from 'mysql2/promise';

import { ownedDatabase, type OwnedDatabase } from '../../../runtime/installation';
import { createServerClock } from '../../../runtime/server-clock';
import { oldServer, temporalClock } from '../../../runtime/temporal-premises';
import { openNamespace } from '../../../testing/environment/isolated-environment';
import { testStack } from '../../support/stack';
import { ownApis, type OwnApis } from './own-api';
import { openConnection } from '../../../runtime/mysql/door';

/** The clock of a machine that is so far off. */
const off = (ms: number) => () => Date.now() + ms;

describe('a machine whose clock is wrong', () => {
  let apis: OwnApis;
  let admin: Connection;
  let accord: OwnedDatabase;

  beforeAll(async () => {
    apis = await ownApis();
    const url = apis.databases.adminUrl('accord');
    admin = await openConnection({ url });
    accord = ownedDatabase(url, {
      select: async (sql) => (await admin.query(sql))[0] as never, // The caller names its columns.
    });
  }, 60_000);
  afterAll(async () => {
    await admin.end();
    await apis.close();
  });

  for (const [name, ms] of [
    ['behind', -90_000],
    ['ahead', 90_000],
  ] as const) {
    it(`stamps deadlines by MySQL's clock though its own is 90 s ${name}`, async () => {
      const own = await apis.start({}, { now: off(ms) });
      const orderId = `O-clock-${name}`;
      const answer = await own.api.inject({
        method: 'POST',
        url: '/v1/orders',
        headers: { authorization: await own.credential(), 'idempotency-key': orderId },
        payload: {
          ...{ orderId, customerId: 'C-1', deadlineMs: 60_000 },
          lines: [{ sku: 'S-1', quantity: 1, unitPrice: { currency: 'EUR', minorUnits: 100 } }],
          payment: { accountId: 'A-1', amount: { currency: 'EUR', minorUnits: 100 } },
        },
      });
      expect({ status: answer.statusCode, text: answer.body }).toMatchObject({ status: 202 });
      const [row] = await apis.sql(
        `SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(3), accepted_at) AS acceptedIn,
           TIMESTAMPDIFF(SECOND, accepted_at, deadline_at) AS life FROM runs WHERE gid = ?`,
        [`order:acme.${orderId}`],
      );
      expect(Math.abs(Number(row?.['acceptedIn']))).toBeLessThan(45);
      expect(Math.abs(Number(row?.['life']) - 60)).toBeLessThan(30); // What it took to be accepted.
    }, 60_000);
  }

  it('is refused by name beyond the bound', async () => {
    const clock = createServerClock(accord, 120_000, off(-600_000));
    expect(await clock.premises.ask()).toMatchObject([
      {
        setting: 'clock',
        found: expect.stringMatching(/^\d+\.\d s behind the clock of MySQL$/),
        isRequired: true,
      },
    ]);
    expect(await createServerClock(accord, 120_000).premises.ask()).toEqual([]);
  });

  it("has Temporal refused by name whose clock is not MySQL's", async () => {
    const { temporal } = await testStack();
    const namespace = await openNamespace(temporal.address, `clock-${Date.now()}`);
    try {
      const client = new Client({ connection: namespace.connection, namespace: namespace.name });
      const installation = { id: () => Promise.resolve('0123456789abcde') };
      const bound = 30_000;
      const right = createServerClock(accord, bound);
      expect(await temporalClock(client, installation, right, bound).ask()).toEqual([]);
      const wrong = { ...right, now: () => right.now() + 90_000 };
      expect(await temporalClock(client, installation, wrong, bound).ask()).toMatchObject([
        { product: 'Temporal', setting: 'clock', found: expect.stringContaining('behind') },
      ]);
    } finally {
      await namespace.drop();
    }
  }, 60_000);
});

describe('a Temporal server', () => {
  it('is refused by name where it is too old, and taken where its version is no number', () => {
    expect(oldServer('1.27.2')).toMatchObject([
      { product: 'Temporal', setting: 'version', wanted: '1.28 or later', isRequired: true },
    ]);
    expect(['1.28.0', '1.31.2', '2.0.0', 'cloud'].map(oldServer)).toEqual([[], [], [], []]);
  });
});
