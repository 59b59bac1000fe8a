import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { expireKeys } from '../../../../activities/retention/retention-store';
import type { SqlPool } from '../../../../activities/sql-transaction';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { fill } from '../../../support/filled';
import { countingPool, mostRead, type StatementReads } from '../../../support/rows-read';

const history = 50_000;
const dayMs = 24 * 3_600_000;

let databases: OwnDatabases;
let admin: SqlPool;
let accord: SqlPool;
const reads: StatementReads[] = [];

beforeAll(async () => {
  databases = await ownDatabases(['accord']);
  admin = databases.pool(databases.adminUrl('accord'));
  accord = countingPool(databases.pool(databases.urls.ACCORD_DATABASE_URL), reads);
  await fill(admin, {
    into: `runs (gid, tenant, flow, reference, operation, idempotency_key, fingerprint, field_digests, owner, region, epoch,
      accepted_at, deadline_at, at_risk, state, start_sent_at, start_confirmed_at, ending, ended_at)`,
    select: `CONCAT('order:acme.', i), 'acme', 'order', CONCAT('R-', i), 'POST /v1/orders', IF(i < 48000, NULL, CONCAT('k-', i)),
      UNHEX(REPEAT('00', 32)), '{}', CONCAT('order:acme.', i), 'a', 1, at, at, '[]', 'completed', at, at, '{}', at`,
    with: `TIMESTAMP '2026-01-01 00:00:00' + INTERVAL i SECOND AS at`,
    from: 0,
    to: history,
  });
}, 120_000);
afterAll(() => databases.drop());

describe('the expiry of idempotency keys', () => {
  it('reads rows that still have one, and not all that have ended', async () => {
    expect(await expireKeys(accord, dayMs)).toEqual({ expired: 1_000, more: true });
    expect(await expireKeys(accord, dayMs)).toEqual({ expired: 1_000, more: true });
    expect(await expireKeys(accord, dayMs)).toEqual({ expired: 0, more: false });
    const [left] = await admin.select<{ n: string }>(
      'SELECT COUNT(idempotency_key) AS n FROM runs',
    );
    expect(left?.n).toBe('0');
    expect(mostRead(reads).rows).toBeLessThanOrEqual(2_100);
  });
});
