import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';

import type { SqlPool } from '../../../activities/fence/sql-transaction';
import type { Position } from '../../../api/http/cursor';
import { runFilterOf } from '../../../api/routes/transactions';
import type { Database } from '../../../api/stores/database';
import { looksMax } from '../../../api/stores/runs/lists';
import type { RunFilter } from '../../../api/stores/runs/filter';
import {
  approvalStates,
  createApprovalsStore,
  type ApprovalsStore,
  type ApprovalState,
} from '../../../api/stores/approvals-store';
import { createRunsStore, type RunsStore } from '../../../api/stores/runs-store';
import { ownDatabases, type OwnDatabases } from '../../support/databases';
import { fill, patient, type Filling } from '../../../testing/bench/filling';
import {
  countingPool,
  inSession,
  mostRead,
  type StatementReads,
} from '../../../testing/bench/rows-read';

/** Ended transactions of the tenant. */
const history = 50_000;
const limit = 20;

let databases: OwnDatabases;
let admin: SqlPool;
let runs: RunsStore;
let approvals: ApprovalsStore;
const reads: StatementReads[] = [];

/** A row each second, the one with the highest number the newest. */
const filled = (
  { from, to }: Pick<Filling, 'from' | 'to'>,
  { tenant, state, more = '' }: { tenant: string; state: string; more?: string },
) =>
  fill(admin, {
    into: `runs (gid, tenant, flow, reference, operation, idempotency_key, fingerprint, field_digests, owner, region, epoch,
      accepted_at, deadline_at, at_risk, state, reason, start_sent_at, start_confirmed_at, ending, ended_at)`,
    select: `CONCAT('order:${tenant}.', i), '${tenant}', IF(i % 100 = 0, 'transfer', 'order'), CONCAT('R-', i), 'POST /v1/orders', CONCAT('k-', i),
      UNHEX(REPEAT('00', 32)), '{}', CONCAT('order:${tenant}.', i), 'a', 1, at, at, '[]', ${state}, ${more}`,
    from,
    to,
    with: `TIMESTAMP '2026-01-01 00:00:00' + INTERVAL i SECOND AS at`,
  });

beforeAll(async () => {
  databases = await ownDatabases(['accord']);
  admin = databases.pool(databases.adminUrl('accord'), { limits: patient });
  const ended = (tenant: string, rows: number) =>
    filled(
      { from: 0, to: rows },
      {
        tenant,
        state: `IF(i % 2 = 0, 'completed', 'compensated')`,
        more: `IF(i % 2 = 0, NULL, IF(i % 1001 = 0, 'fenced', 'out_of_stock')), at, at, '{}', at`,
      },
    );
  await ended('acme', history);
  await ended('other', 10_000);
  await ended('bank', 10_000);
  // More at risk than the share of one currency among all of ISO 4217; the oldest one is the dearest.
  await admin.change(
    `UPDATE runs SET at_risk_currency = IF(gid = 'order:bank.0', 'CLF', 'EUR'), at_risk_minor = IF(gid = 'order:bank.0', 9999, 1)
       WHERE tenant = 'bank' AND accepted_at < '2026-01-01 00:05:00'`,
  );
  // Old ones that still wait: behind everything that has ended since.
  await admin.change(
    `UPDATE runs SET state = IF(reference < 'R-15', 'parked', 'running'), ending = NULL, ended_at = NULL, step = 'confirmStock',
       reason = 'step_exhausted', stuck_since = IF(reference < 'R-15', NULL, accepted_at), at_risk_currency = 'EUR', at_risk_minor = 1250
       WHERE gid IN (?)`,
    [Array.from({ length: 10 }, (_, n) => `order:acme.${10 + n}`)],
  );
  const pool = countingPool(databases.pool(databases.urls.API_DATABASE_URL), reads);
  const database: Pick<Database, 'select' | 'change' | 'session'> = {
    select: (sql, values) => pool.select(sql, values),
    change: (sql, values) => pool.change(sql, values),
    session: (work) => inSession(pool, work),
  };
  runs = createRunsStore(database as Database, 'main'); // Nothing here needs a SQL transaction.
  approvals = createApprovalsStore(database as Database);
}, 120_000);
afterAll(() => databases.drop());
beforeEach(() => {
  reads.length = 0;
});

/** References of every page, and how many pages there were. */
async function everyPage(filter: RunFilter) {
  const found: string[] = [];
  let pages = 0;
  let after: Position | undefined;
  do {
    const { rows, next }: Awaited<ReturnType<RunsStore['list']>> = await runs.list(
      'acme',
      filter,
      limit,
      after,
    );
    found.push(...rows.map(({ gid }) => gid.split('.')[1] ?? ''));
    after = next ?? undefined;
    pages += 1;
  } while (after);
  return { found, pages };
}

describe('a list of transactions', () => {
  const open = Array.from({ length: 10 }, (_, n) => String(19 - n));

  it('judges an age by the clock of MySQL, wherever this machine believes to be', async () => {
    const local = jest.spyOn(Date, 'now').mockReturnValue(0);
    const { rows } = await runs.list('acme', runFilterOf({ olderThanMs: 1_000 }), limit);
    local.mockRestore();
    expect(rows).toHaveLength(limit);
  });

  it.each<[string, RunFilter, number]>([
    ['no filter', {}, limit],
    ['an ending', { states: ['completed'] }, limit],
    ['two endings', { states: ['completed', 'compensated'] }, limit],
    ['parked', { states: ['parked'] }, 5],
    ['a common reason', { reasons: ['out_of_stock'] }, limit],
    ['a rare reason', { reasons: ['fenced'] }, limit],
    ['a reason that no row has', { reasons: ['lock_lost'] }, 0],
    ['a step', { step: 'confirmStock' }, 10],
    ['a reference', { reference: 'R-4711' }, 1],
    ['a reference that no row has', { reference: 'nope' }, 0],
    ['a flow', { flow: 'transfer' }, limit],
    ['a flow that no row has', { flow: 'settlement' }, 0],
    ['an early answer that no row has', { early: 'review' }, 0],
    ['a currency', { currency: 'EUR' }, 10],
    ['a currency that no row has', { currency: 'USD' }, 0],
    ['an amount', { currency: 'EUR', minAtRisk: 1_250 }, 10],
    ['an amount of any currency', { minAtRisk: 1_250 }, 10],
    ['an age', { acceptedBefore: new Date('2026-01-01T00:00:10Z') }, 10],
    [
      'an ending and an age',
      { states: ['completed'], acceptedBefore: new Date('2026-01-01T00:00:10Z') },
      5,
    ],
    ['stuck', { stuck: true }, 5],
    ['an age by the clock of MySQL', { olderThanMs: 1_000 }, limit],
  ])('by %s reads what it answers, and not what has ended', async (_, filter, expected) => {
    const { rows } = await runs.list('acme', filter, limit);

    expect(rows).toHaveLength(expected);
    const times = rows.map(({ acceptedAt }) => acceptedAt.getTime());
    expect(times).toEqual(times.toSorted((one, other) => other - one));
    expect(mostRead(reads).rows).toBeLessThanOrEqual(10 * (limit + 1));
  });

  it('goes on behind a cursor without a look at what is newer', async () => {
    const after = { at: Date.parse('2026-01-01T00:00:30Z'), id: 'order:acme.30' };
    const { rows } = await runs.list('acme', { states: ['completed'] }, limit, after);

    expect(rows.map(({ gid }) => gid)).toEqual(
      [28, 26, 24, 22, 20, 8, 6, 4, 2, 0].map((n) => `order:acme.${n}`),
    );
    expect(mostRead(reads).rows).toBeLessThanOrEqual(4 * (limit + 1));
  });

  it('of filters that no index has together gives short pages, and all of them in the end', async () => {
    const { found, pages } = await everyPage({ flow: 'order', region: 'a', step: 'confirmStock' });
    expect({ found, pages }).toEqual({ found: open, pages: 1 });
    const rare = await everyPage({ flow: 'transfer', region: 'b' });
    expect(rare).toEqual({ found: [], pages: 1 });
    reads.length = 0;
    const lost = await everyPage({ region: 'b' });

    expect(lost.found).toEqual([]);
    expect(lost.pages).toBe(history / looksMax + 1);
    expect(mostRead(reads).rows).toBeLessThanOrEqual(looksMax + 10 * limit);
  });

  it('by an amount of any currency looks as far as every list, however many currencies there are', async () => {
    const { rows, next } = await runs.list('bank', { minAtRisk: 9_999 }, limit);

    expect(rows.map(({ gid }) => gid)).toEqual(['order:bank.0']);
    expect(next).toBeNull();
  });

  it('counts what fits among the rows that it may look at', async () => {
    expect(await runs.count('acme', { states: ['parked'] })).toBe(5);
    expect(await runs.count('acme', { states: ['completed'] })).toBe(looksMax);
    expect(await runs.count('acme', { flow: 'transfer', reasons: ['fenced'] })).toBe(0);
    expect(await runs.count('acme', { region: 'b' })).toBe(0);
    expect(mostRead(reads).rows).toBeLessThanOrEqual(2 * looksMax + 1);
  });
});

describe('the counts of the health page', () => {
  it('read what they count, and not what has ended', async () => {
    const { parked, stuck } = await runs.attention();

    expect([`${parked}`, `${stuck}`]).toEqual(['5', '5']); // This pool gives counts as digits.
    expect(mostRead(reads).rows).toBeLessThanOrEqual(50);
  });
});

describe('a round of the starter', () => {
  it('reads what is unconfirmed, up to its limits, and not what has ended', async () => {
    await filled(
      { from: 100_000, to: 120_000 },
      { tenant: 'late', state: `'accepted'`, more: `NULL, NULL, NULL, NULL, NULL` },
    );
    await admin.change(`UPDATE runs SET input = '{}' WHERE tenant = 'late'`);
    reads.length = 0;
    await runs.confirmEnded(200);
    const starts = await runs.dueOwners(200);
    const backlog = await runs.backlog(1_000);

    expect(starts).toHaveLength(200);
    expect(`${backlog}`).toBe('1000');
    expect(mostRead(reads).rows).toBeLessThanOrEqual(2_100);
  });
});

describe('a list of approvals', () => {
  /** Approvals of a tenant, one a minute. The newest three are still valid; one of them belongs to a moved run. */
  const asked = 10_000;
  const open = 3;
  const action = JSON.stringify({
    ...{ kind: 'decideStep', gid: 'order:acme.1', version: 1, step: 'holdFunds', decision: 'skip' },
    evidence: { kind: 'ticket', ref: 'OPS-1', note: null },
    atRisk: [],
  });
  const idOf = (n: number): string => String(n).padStart(26, '0');

  beforeAll(async () => {
    const isOpen = `i >= ${asked - open}`;
    const isPending = `(i % 4 = 0 OR ${isOpen})`;
    await fill(admin, {
      into: `approvals (id, tenant, kind, gid, version, action, rule, asked_by, asked_people, asked_at, expires_at, state, decided_by,
        decided_people)`,
      select: `LPAD(i, 26, '0'), 'acme', 'decideStep', IF(i = ${asked - 1}, 'order:acme.1', NULL), IF(i = ${asked - 1}, 999, NULL), '${action}',
        'skips_money', 'alice', '["alice"]', at, at + INTERVAL IF(${isOpen}, 86400, 0) SECOND,
        IF(${isPending}, 'pending', IF(i % 1000 = 1, 'approved', IF(i % 1000 = 2, 'void', IF(i % 1000 = 3, 'rejected', 'done')))),
        IF(${isPending}, NULL, 'bob'), IF(${isPending}, NULL, '["bob"]')`,
      from: 0,
      to: asked,
      with: `UTC_TIMESTAMP(3) - INTERVAL (${asked} - i) MINUTE AS at`,
    });
  });

  it.each<[ApprovalState, number, number]>([
    ['pending', 2, asked - 2],
    ['void', 11, asked - 1],
    ['expired', limit, asked - 4],
    ['approved', 10, 9_001],
    ['done', limit, asked - 5],
    ['rejected', 10, 9_003],
  ])('that are %s reads what it answers, and not the month', async (state, expected, newest) => {
    const rows = await approvals.list('acme', [state], limit);
    expect(rows.map((row) => row.state)).toEqual(Array(expected).fill(state));
    expect(rows[0]?.id).toBe(idOf(newest));
    expect(mostRead(reads).rows).toBeLessThanOrEqual(10 * (limit + open));
  });

  it('of every state gives each of them once, page by page', async () => {
    const found: string[] = [];
    let most = 0;
    for (let before: string | undefined; found.length < asked;) {
      reads.length = 0;
      const page = await approvals.list('acme', approvalStates, 500, before);
      most = Math.max(most, mostRead(reads).rows);
      if (page.length === 0) break;
      found.push(...page.map(({ id }) => id));
      before = page.at(-1)?.id;
    }
    expect(found).toEqual(Array.from({ length: asked }, (_, n) => idOf(asked - 1 - n)));
    expect(most).toBeLessThanOrEqual(10 * 5 * 500);
  });

  it('and the question about one key reads what is open, and not the month', async () => {
    expect(await approvals.findKeyAsked('acme', 'K-1')).toBeUndefined();
    expect(mostRead(reads).rows).toBeLessThanOrEqual(50);
  });
});
