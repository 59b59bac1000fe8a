import { expect } from '@jest/globals';

import { checkInvariants } from '../../testing/verify/verification';
import { databases } from '../../runtime/databases/shop';
import type { OwnApplication } from './application';
import { eventually } from './eventually';

/**
 * The books of an application are sound, every transaction has ended, and nothing that a transaction set aside is left.
 * `accepted`: how many transactions there must be.
 */
export async function expectSoundBooks(
  application: OwnApplication,
  accepted: number,
): Promise<void> {
  const { asked, violations } = await checkInvariants(
    application.databases.urls.VERIFY_DATABASE_URLS,
  );
  expect(asked).toBeGreaterThan(databases.length);
  expect(violations).toEqual([]);
  expect(
    await application.sql('accord', 'SELECT gid, state FROM runs WHERE ended_at IS NULL'),
  ).toEqual([]);
  const [{ n } = { n: '' }] = await application.sql<{ n: string }>(
    'accord',
    'SELECT COUNT(*) AS n FROM runs',
  );
  expect(n).toBe(String(accepted));
  for (const participant of ['inventory', 'accounts', 'coupons', 'orders'] as const) {
    const left = `SELECT gid, branch FROM fence WHERE reserves = 1 AND state = 'acted'`;
    expect(await application.sql(participant, left)).toEqual([]);
  }
}

/** Every event has come to Kafka: the relay has marked each row. */
export async function expectEverythingPublished(application: OwnApplication): Promise<void> {
  for (const database of ['inventory', 'accounts', 'coupons', 'orders', 'accord'] as const) {
    await eventually(
      async () => {
        const waiting = 'SELECT id FROM outbox WHERE published_at IS NULL';
        return (await application.sql(database, waiting)).length === 0;
      },
      { withinMs: 20_000, what: `an empty outbox of ${database}` },
    );
  }
}
