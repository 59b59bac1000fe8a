import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { expireKeys, pageOf } from '../../../../activities/retention/retention-store';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { fill, patient } from '../../../../testing/bench/filling';
import { countingPool, mostRead, type StatementReads } from '../../../../testing/bench/rows-read';

const history = 50_000;
const dayMs = 24 * 3_600_000;

let databases: OwnDatabases;
let admin: SqlPool;
let accord: SqlPool;
const reads: StatementReads[] = [];

beforeAll(async () => {
  databases = await ownDatabases(['accord', 'inventory']);
  admin = databases.pool(databases.adminUrl('accord'), { limits: patient });
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

describe('a page of fence rows without an end', () => {
  it('is in the order of its index: it reads its own rows, and sorts none of the others', async () => {
    const inventory = databases.pool(databases.adminUrl('inventory'), { limits: patient });
    await fill(inventory, {
      into: 'fence (gid, branch, state, attempt_token, epoch, created_at)',
      select: `CONCAT('order:acme.', i), 'reserveStock', 'confirmed', REPEAT('x', 16), 1, TIMESTAMP '2026-01-01 00:00:00' + INTERVAL i SECOND`,
      from: 0,
      to: 20_000,
    });
    reads.length = 0;
    const pool = countingPool(inventory, reads);
    const first = await pageOf(pool, null);
    const second = await pageOf(pool, first.next);
    expect(first.rows[0]?.gid).toBe('order:acme.0');
    expect(second.rows[0]?.gid).toBe('order:acme.1000');
    expect(mostRead(reads).rows).toBeLessThanOrEqual(1_010);
  });
});

describe('the expiry of idempotency keys', () => {
  it('reads rows that still have one, and not all that have ended', async () => {
    reads.length = 0;
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
