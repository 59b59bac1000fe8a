import { randomBytes } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  openInvariants,
  type OpenInvariants,
  type InvariantRound,
} from '../../testing/verify/verification';
import { authorizationOf } from '../../testing/environment/credentials';
import type { Database } from '../../runtime/databases/shop';
import {
  aCheckout,
  anOrder,
  aPayment,
  ownApplication,
  type OwnApplication,
} from '../support/application';
import { eventually } from '../support/eventually';

const loadMs = 12_000;
const lanes = 6;
/** Twice each scope beside the load, however long that takes here. */
const roundsMin = 6;
const riskPolicy = JSON.stringify({ velocity: { windowMs: 3_600_000, max: 10_000, score: 50 } });

describe('the books of an application that works', () => {
  let application: OwnApplication;
  let at: string;
  let books: OpenInvariants | undefined;
  const accepted: string[] = [];

  beforeAll(async () => {
    application = await ownApplication();
    const { databases, kafka, temporal, tenant } = application;
    [at] = await Promise.all([
      application.startApi('api', { RISK_POLICY: riskPolicy }),
      application.start('worker'),
      application.start('relay'),
      application.start('consumer'),
    ]);
    const holder = { tenant, owner: 'verify', scopes: ['tx:read'] } as const;
    books = openInvariants({
      verifyUrls: databases.urls.VERIFY_DATABASE_URLS,
      kafka: kafka.settings,
      temporal,
      api: {
        url: at,
        tenant,
        authorization: await authorizationOf(databases.urls.API_DATABASE_URL, holder),
      },
      accepted: () => accepted,
    });
  }, 90_000);
  afterAll(async () => {
    await books?.close();
    await application.close();
  }, 60_000);

  const opened = (): OpenInvariants => {
    if (!books) throw new Error('The application has not started.');
    return books;
  };
  const start = async (path: string, body: object): Promise<string> => {
    const answer = await application.request('POST', path, {
      at,
      body,
      waitSeconds: 10,
      until: 'ending',
    });
    const gid = String(answer.body['gid']);
    if (answer.status < 300) accepted.push(gid);
    return gid;
  };

  /** Every flow, completed and refused. */
  async function work(): Promise<void> {
    const coupon = { code: 'C-10', discount: 100 };
    await start('/v1/orders', anOrder({ sku: 'S-2' }));
    await start('/v1/orders', anOrder({ account: 'A-POOR', unitPrice: 900, sku: 'S-2' }));
    await start('/v1/checkouts', aCheckout({ sku: 'S-2', coupon }));
    await start('/v1/checkouts', aCheckout({ account: 'A-POOR', unitPrice: 900, sku: 'S-2' }));
    const transferId = `T-${randomBytes(6).toString('hex')}`;
    const amount = { currency: 'EUR', minorUnits: 5 };
    await start('/v1/transfers', { transferId, from: 'A-1', to: 'A-2', amount });
    const payment = aPayment();
    await start('/v1/payments', payment);
    const refundId = `R-${randomBytes(6).toString('hex')}`;
    const refund = { refundId, kind: 'refund', reason: 'It broke.', amount };
    await start(`/v1/payments/${payment.paymentId}/refunds`, refund);
  }

  it('are sound at every moment beside a load, and all of it when it is quiet', async () => {
    await application.sql(
      'inventory',
      `UPDATE stock SET total = total + 9000, available = available + 9000 WHERE sku = 'acme.S-2'`,
    );
    await application.sql(
      'coupons',
      `UPDATE coupons SET total = total + 9000, available = available + 9000 WHERE id = 'acme.C-10'`,
    );
    const until = Date.now() + loadMs;
    const rounds: InvariantRound[] = [];
    const isOver = () => Date.now() > until && rounds.length >= roundsMin;
    await Promise.all([
      ...Array.from({ length: lanes }, async () => {
        while (!isOver()) await work();
      }),
      (async () => {
        while (!isOver()) {
          for (const scope of ['moment', 'ended', 'quiescent'] as const)
            rounds.push(await opened().check(scope));
        }
      })(),
    ]);
    expect(rounds.flatMap(({ violations }) => violations)).toEqual([]);
    expect(rounds.length).toBeGreaterThan(5);

    const last = await eventually(
      async () => {
        const round = await opened().check('quiescent');
        return round.isQuiet === true && round;
      },
      { withinMs: 30_000, what: 'a quiet end' },
    );
    expect(last.violations).toEqual([]);
    const judgedNone = last.checks.filter(({ verdict, rows }) => verdict === 'sound' && rows === 0);
    // No settlement, no stored sum, no steering, nothing that waits for Kafka; nothing is open, and perhaps nothing a
    // minute old.
    const without = ['C3', 'D3', 'F3', 'L', 'S2', 'S3', 'X2b', 'X7', 'X8'];
    expect(judgedNone.filter(({ id }) => !without.includes(id))).toEqual([]);
    expect(
      last.checks.filter(({ verdict }) => verdict === 'not asked').map(({ id }) => id),
    ).toEqual(['I6', 'I19']);
  }, 120_000);

  /** What the round finds while the statement's row stands. */
  async function planted(
    database: Database,
    plant: readonly string[],
    clear: readonly string[],
  ): Promise<readonly string[]> {
    for (const statement of plant) await application.sql(database, statement);
    const { violations } = await opened().check('quiescent');
    for (const statement of clear) await application.sql(database, statement);
    return violations.map(({ id, row }) => `${id} ${'wrong' in row ? String(row.wrong) : ''}`);
  }
  const published = (eventId: string, when: string): string =>
    `INSERT INTO outbox (event_id, gid, branch, op, topic, type, aggregate_id, sequence, payload, epoch, created_at, published_at)
       VALUES ('${eventId}', 'order:acme.X', 'row', 'x', 'accord.transactions', 't', 'order:acme.X', 1, '{}', 1, ${when})`;
  const forgotten = [`DELETE FROM outbox WHERE gid = 'order:acme.X'`];

  it('show an event that was marked as published, and is not in Kafka', async () => {
    const now = 'UTC_TIMESTAMP(3), UTC_TIMESTAMP(3)';
    expect(await planted('accord', [published('lost', now)], forgotten)).toEqual([
      'X3 published, and not in Kafka',
    ]);
  });

  it('show an event that nobody publishes', async () => {
    await application.end('relay', 'SIGTERM');
    const late = 'UTC_TIMESTAMP(3) - INTERVAL 31 SECOND, NULL';
    expect(await planted('accord', [published('late', late)], forgotten)).toEqual(['F3 ']);
  });

  it('show an event that was neither consumed nor buried', async () => {
    const [taken] = await application.sql<{ event_id: string; consumer: string }>(
      'orders',
      'SELECT consumer, event_id FROM consumed LIMIT 1',
    );
    expect(
      await planted(
        'orders',
        [`DELETE FROM consumed WHERE event_id = '${taken?.event_id}'`],
        [
          `INSERT INTO consumed (consumer, event_id) VALUES ('${taken?.consumer}', '${taken?.event_id}')`,
        ],
      ),
    ).toEqual(['X3 passed over: neither consumed nor a dead letter']);
  });

  it('show a transaction that Temporal has, and accord has not; one that was told to a client; one that never ran', async () => {
    const gid = accepted.at(-1) ?? '';
    await application.sql('accord', `CREATE TABLE kept AS SELECT * FROM runs WHERE gid = '${gid}'`);
    const found = await planted('accord', [`DELETE FROM runs WHERE gid = '${gid}'`], []);
    expect(found).toEqual(
      expect.arrayContaining([
        'X1 Temporal has a run, and accord no row',
        'X1 a client was told that it is accepted, and there is no row',
      ]),
    );
    const given = await application.sql<{ readonly name: string }>(
      'accord',
      `SELECT column_name AS name FROM information_schema.columns
         WHERE table_schema = DATABASE() AND table_name = 'runs' AND generation_expression = ''`,
    );
    const columns = given.map(({ name }) => name).join(', ');
    await application.sql('accord', `INSERT INTO runs (${columns}) SELECT ${columns} FROM kept`);
    await application.sql('accord', 'DROP TABLE kept');
    const ghost = `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner, state, region, epoch,
        accepted_at, start_sent_at, start_confirmed_at, deadline_at, at_risk)
      VALUES ('order:acme.GHOST', 'acme', 'order', 'GHOST', 'POST /v1/orders', UNHEX(REPEAT('00', 32)), '{}', 'order:acme.GHOST', 'running',
              'a', 1, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), '[]')`;
    expect(
      await planted('accord', [ghost], [`DELETE FROM runs WHERE gid = 'order:acme.GHOST'`]),
    ).toEqual([
      'X1 its start was confirmed, and Temporal knows no run',
      'X7 open, and no run owns it',
      'X8 open, and its owner does not run',
    ]);
  });

  it('say nothing of a transaction that was cancelled before anybody sent its start', async () => {
    const unsent = `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner, state, region, epoch,
        accepted_at, start_confirmed_at, deadline_at, at_risk, ending, ended_at)
      VALUES ('order:acme.UNSENT', 'acme', 'order', 'UNSENT', 'POST /v1/orders', UNHEX(REPEAT('00', 32)), '{}', 'order:acme.UNSENT',
              'compensated', 'a', 1, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), '[]', '{}', UTC_TIMESTAMP(3))`;
    const found = await planted(
      'accord',
      [unsent],
      [`DELETE FROM runs WHERE gid = 'order:acme.UNSENT'`],
    );
    expect(found.filter((sentence) => sentence.startsWith('X1'))).toEqual([]);
  });

  it('show a story that the rows contradict', async () => {
    const gid = accepted.findLast((id) => id.startsWith('payment:')) ?? '';
    const where = `WHERE gid = '${gid}' AND branch = 'assessRisk'`;
    expect(
      await planted(
        'accounts',
        [`UPDATE fence SET state = 'undone' ${where}`],
        [`UPDATE fence SET state = 'acted' ${where}`],
      ),
    ).toContain('X5 assessRisk is told as done, and its fence row is undone');
  });

  it('show events in Kafka that were never written, and some that came out of their order', async () => {
    const producer = application.kafka.kafka.producer();
    await producer.connect();
    const record = (eventId: string, sequence: number) => ({
      key: 'order:acme.Z',
      headers: { 'event-id': eventId },
      value: JSON.stringify({ eventId, sequence, occurredAt: new Date().toISOString() }),
    });
    await producer.send({
      topic: `${application.kafka.settings.topicPrefix}accord.transactions`,
      messages: [record('z2', 2), record('z1', 1)],
    });
    await producer.disconnect();
    expect((await planted('accord', [], [])).toSorted()).toEqual([
      'X3 in Kafka, and never written',
      'X3 in Kafka, and never written',
      'X3 out of its order',
    ]);
  });
});
