import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { stepKeyOf, type Gid } from '../../../../contracts/engine/ids';
import {
  decideBranch,
  endingBytesMax,
  rowBranch,
  type EndRun,
  type MoveRun,
  type RunsActivities,
} from '../../../../contracts/engine/runs';
import { clusterEpoch, createEpochSource } from '../../../../activities/fence/epoch';
import { inertFaultPoints } from '../../../../runtime/faults/points';
import { createFence, inertFenceMetrics } from '../../../../activities/fence/fence';
import { createRunsActivities } from '../../../../activities/runs/activities';
import { createRunsStore } from '../../../../activities/runs/runs-store';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { aDelivery, aGid } from '../../../support/fenced-accounts';
import { eventsAgainstCatalogue } from '../../../support/catalogue';

describe('rows of accord.runs', () => {
  let own: OwnDatabases;
  let admin: SqlPool;
  let runs: RunsActivities;
  /** As the metrics are told. */
  const resolved: string[] = [];

  beforeAll(async () => {
    own = await ownDatabases(['accord']);
    admin = own.pool(own.adminUrl('accord'));
    const pool = own.pool(own.urls.ACCORD_DATABASE_URL);
    const shared = {
      pool,
      epochRow: clusterEpoch('main'),
      epochs: createEpochSource(pool, 'main'),
      faults: inertFaultPoints,
      delivery: () => aDelivery(),
    };
    runs = createRunsActivities({
      fence: createFence({ ...shared, metrics: inertFenceMetrics }),
      runs: createRunsStore(shared),
      resolvedByHand: (gid, { step, decision }) => resolved.push(`${gid} ${step} ${decision}`),
    });
  });
  afterAll(() => own.drop());

  const accepted = async (): Promise<Gid> => {
    const gid = aGid();
    await admin.change(
      `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner, region, epoch,
         accepted_at, deadline_at, at_risk)
         VALUES (?, 'acme', 'order', ?, 'POST /v1/orders', ?, '{}', ?, 'a', 1, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), '[]')`,
      [gid, gid, Buffer.alloc(32), gid],
    );
    return gid;
  };

  const move = (gid: Gid, at: number, change: Partial<MoveRun> = {}): MoveRun => ({
    key: stepKeyOf(gid, rowBranch),
    minEpoch: 0,
    owner: gid,
    to: 'running',
    at,
    step: 'holdFunds',
    reason: null,
    pivotPassed: false,
    atRisk: [],
    ...change,
  });

  const ending = (gid: Gid, at: number, change: Partial<EndRun> = {}): EndRun => ({
    key: stepKeyOf(gid, rowBranch),
    minEpoch: 0,
    outcome: 'completed',
    reason: null,
    at,
    ending: '{"outcome":"completed","note":"žluťoučký"}',
    ...change,
  });

  interface RunSeen {
    readonly state: string;
    readonly step: string | null;
    readonly version: number;
    readonly pivot_passed: number;
    readonly ending: Buffer | null;
  }
  const row = async (gid: Gid): Promise<RunSeen | undefined> => {
    const [found] = await admin.select<RunSeen>(
      'SELECT state, step, reason, version, pivot_passed, stuck_since, at_risk, at_risk_currency, at_risk_minor, ending, ended_at FROM runs WHERE gid = ?',
      [gid],
    );
    return found;
  };
  const eventsOf = async (gid: Gid): Promise<readonly string[]> => {
    const rows = await admin.select<{ type: string }>(
      'SELECT type FROM outbox WHERE aggregate_id = ? ORDER BY sequence',
      [gid],
    );
    return rows.map(({ type }) => type);
  };

  it('keeps the first early status and the latest deadline that it was told, through the ending', async () => {
    const gid = await accepted();
    const told = async () => {
      const [found] = await admin.select<{ early: string | null; deadlineAt: Date }>(
        'SELECT early_status AS early, deadline_at AS deadlineAt FROM runs WHERE gid = ?',
        [gid],
      );
      return found;
    };
    const before = await told();
    const deadlineAt = Date.now() + 3_600_123;
    await runs.moveRun([move(gid, 10)]);
    expect(await told()).toEqual(before); // Left out: as it was.
    await runs.moveRun([move(gid, 20, { early: 'review', deadlineAt })]);
    expect(await told()).toEqual({ early: 'review', deadlineAt: new Date(deadlineAt) });
    await runs.moveRun([move(gid, 30, { early: 'authorised', deadlineAt: deadlineAt - 1_000 })]);
    await runs.endRun([ending(gid, 40, { early: 'declined' })]);
    expect(await told()).toEqual({ early: 'review', deadlineAt: new Date(deadlineAt) });
  });

  it('tells an early status with the ending where no move has told one', async () => {
    const gid = await accepted();
    await runs.endRun([ending(gid, 10, { outcome: 'compensated', early: 'declined' })]);
    const [found] = await admin.select('SELECT early_status AS early FROM runs WHERE gid = ?', [
      gid,
    ]);
    expect(found).toEqual({ early: 'declined' });
  });

  it('moves forward in workflow time alone, whatever order moves arrive in', async () => {
    const gid = await accepted();
    await admin.change('UPDATE runs SET stuck_since = UTC_TIMESTAMP(3) WHERE gid = ?', [gid]);
    const atRisk = [
      { kind: 'stock', sku: 'acme.S-1', quantity: 2 },
      { kind: 'hold', currency: 'EUR', minorUnits: 700 },
      { kind: 'hold', currency: 'EUR', minorUnits: 550 },
    ] as const;
    expect(await runs.moveRun([move(gid, 20, { to: 'undoing', atRisk })])).toMatchObject([
      { ok: true, fence: 'first' },
    ]);
    expect(await runs.moveRun([move(gid, 10)])).toMatchObject([{ ok: true, fence: 'duplicate' }]);
    expect(await runs.moveRun([move(gid, 20, { to: 'parked' })])).toMatchObject([
      { fence: 'duplicate' },
    ]);
    expect(await row(gid)).toMatchObject({
      state: 'undoing',
      version: 2,
      stuck_since: null,
      at_risk: atRisk,
      at_risk_currency: 'EUR',
      at_risk_minor: '1250',
    });
  });

  it.each(['parked', 'undoing'] as const)(
    'does not leave %s for a worker that has stalled, and does when a person has decided',
    async (to) => {
      const gid = await accepted();
      await runs.moveRun([move(gid, 10, { to })]);
      expect(await runs.moveRun([move(gid, 20)])).toMatchObject([{ fence: 'duplicate' }]);
      expect(await row(gid)).toMatchObject({ state: to });
      await runs.moveRun([move(gid, 30, { resumes: true })]);
      expect(await row(gid)).toMatchObject({ state: 'running' });
    },
  );

  it('tells the outside of each move that is news, in order', async () => {
    const gid = await accepted();
    const states = ['running', 'undoing', 'parked', 'undoing', 'undoing'] as const;
    for (const [at, to] of states.entries()) await runs.moveRun([move(gid, at + 1, { to })]);
    await runs.endRun([ending(gid, 9, { outcome: 'compensated' })]);
    expect(await eventsOf(gid)).toEqual([
      'transaction.undoing',
      'transaction.parked',
      'transaction.resumed',
      'transaction.compensated',
    ]);
  });

  it('never forgets that the pivot was passed', async () => {
    const gid = await accepted();
    await runs.moveRun([move(gid, 1, { pivotPassed: true })]);
    await runs.moveRun([move(gid, 2, { to: 'parked', reason: 'finish_failed' })]);
    expect(await row(gid)).toMatchObject({
      state: 'parked',
      reason: 'finish_failed',
      pivot_passed: 1,
    });
  });

  it('changes nothing for a transaction that it does not know', async () => {
    expect(await runs.moveRun([move(aGid(), 1)])).toMatchObject([{ ok: true, fence: 'duplicate' }]);
    expect(await runs.endRun([ending(aGid(), 1)])).toMatchObject([
      { ok: false, failure: 'InvariantBroken' },
    ]);
  });

  it('moves a row for its owner alone, and ends it for anybody', async () => {
    const gid = await accepted();
    await runs.moveRun([move(gid, 5, { owner: 'batch/order/1', to: 'undoing' })]);
    expect(await row(gid)).toMatchObject({ state: 'accepted', version: 1 });
    await runs.endRun([ending(gid, 6)]);
    expect(await row(gid)).toMatchObject({ state: 'completed' });
  });

  it('gives a transaction that leaves its batch to its own gid once, unless it has ended', async () => {
    const [open, ended, foreign] = [await accepted(), await accepted(), await accepted()];
    const owner = 'batch/order/2';
    await admin.change("UPDATE runs SET owner = ?, lane = 'batch' WHERE gid IN (?)", [
      owner,
      [open, ended],
    ]);
    await admin.change("UPDATE runs SET owner = 'batch/order/3' WHERE gid = ?", [foreign]);
    await runs.endRun([ending(ended, 5)]);
    const leave = (gid: Gid) => ({ key: stepKeyOf(gid, rowBranch), minEpoch: 0, owner });
    const startsOf = async () =>
      (await runs.leaveBatch([open, ended, foreign].map(leave))).map(
        (verdict) => [verdict.gid, verdict.ok && verdict.result.isToBeStarted] as const,
      );
    const once = await startsOf();
    expect(new Map(once)).toEqual(
      new Map([
        [open, true],
        [ended, false],
        [foreign, false],
      ]),
    );
    expect(await startsOf()).toEqual(once);
    const [left] = await admin.select(
      'SELECT owner, lane, start_confirmed_at, start_sent_at IS NOT NULL AS isSent, version FROM runs WHERE gid = ?',
      [open],
    );
    expect(left).toEqual({
      ...{ owner: open, lane: 'single', start_confirmed_at: null, version: 2 },
      isSent: expect.anything() as unknown,
    });
    await runs.moveRun([move(open, 9, { owner })]);
    expect(await row(open)).toMatchObject({ state: 'accepted' });
  });

  it('writes the ending once, byte for byte, and leaves it to an equal outcome', async () => {
    const gid = await accepted();
    const [first] = await runs.endRun([ending(gid, 5)]);
    expect(first).toMatchObject({ ok: true, fence: 'first' });
    const other = ending(gid, 6, { ending: '{"outcome":"completed","by":"another"}' });
    expect(await runs.endRun([other])).toMatchObject([
      { ok: true, fence: 'duplicate', result: null },
    ]);
    expect((await row(gid))?.ending?.toString('utf8')).toBe(ending(gid, 5).ending);
    expect(await eventsOf(gid)).toEqual(['transaction.completed']);
  });

  const byAlice = {
    by: 'alice',
    consent: { kind: 'approved', by: 'bob', approval: '01M' },
    evidence: { kind: 'ticket', ref: 'OPS-1', note: 'žluťoučký' },
    decidedAt: '2026-01-01T00:00:00.000Z',
    amounts: [{ kind: 'hold', currency: 'EUR', minorUnits: 1_500_000 }],
  } as const;
  const skipped = { ...byAlice, step: 'holdFunds', branch: 'holdFunds', decision: 'skip' } as const;
  const done = { ...byAlice, step: 'coupon', branch: 'coupon', decision: 'done' } as const;

  it('keeps what persons have answered for beside the ending, at risk until it is booked, and tells of it', async () => {
    const gid = await accepted();
    const request = ending(gid, 5, { outcome: 'compensated', resolvedByHand: [skipped, done] });
    await runs.endRun([request]);
    await runs.endRun([request]);
    const [found] = await admin.select(
      'SELECT by_hand, resolved_by_hand, at_risk, at_risk_currency, at_risk_minor FROM runs WHERE gid = ?',
      [gid],
    );
    expect(found).toEqual({
      by_hand: 'open',
      resolved_by_hand: [
        { ...skipped, booked: null },
        { ...done, booked: null },
      ],
      at_risk: skipped.amounts,
      at_risk_currency: 'EUR',
      at_risk_minor: '1500000',
    });
    const [event] = await admin.select<{ payload: object }>(
      'SELECT payload FROM outbox WHERE aggregate_id = ?',
      [gid],
    );
    expect(event?.payload).toMatchObject({
      resolvedByHand: [skipped, done],
      atRisk: skipped.amounts,
    });
    expect(resolved).toEqual([`${gid} holdFunds skip`, `${gid} coupon done`]);
  });

  it('leaves nothing to book where all was done by hand', async () => {
    const gid = await accepted();
    await runs.endRun([ending(gid, 5, { outcome: 'compensated', resolvedByHand: [done] })]);
    const [found] = await admin.select(
      'SELECT by_hand, at_risk, at_risk_minor FROM runs WHERE gid = ?',
      [gid],
    );
    expect(found).toEqual({ by_hand: 'closed', at_risk: [], at_risk_minor: null });
  });

  it('calls a second, different ending broken and keeps the first', async () => {
    const gid = await accepted();
    await runs.endRun([ending(gid, 5)]);
    const before = await row(gid);
    const second = ending(gid, 6, { outcome: 'compensated', ending: '{}' });
    expect(await runs.endRun([second])).toMatchObject([
      { ok: false, failure: 'InvariantBroken', fence: 'broken' },
    ]);
    await runs.moveRun([move(gid, 7, { to: 'undoing' })]);
    expect(await row(gid)).toEqual(before);
  });

  it('lets exactly one of two different endings that meet win', async () => {
    for (let round = 0; round < 10; round += 1) {
      const gid = await accepted();
      const answers = await Promise.all([
        runs.endRun([ending(gid, 5)]),
        runs.endRun([ending(gid, 5, { outcome: 'compensated', ending: '{}' })]),
      ]);
      expect(
        answers
          .flat()
          .map(({ fence }) => fence)
          .sort(),
      ).toEqual(['broken', 'first']);
    }
  });

  it('refuses an ending over its bound before any SQL', async () => {
    const gid = await accepted();
    const long = ending(gid, 5, { ending: 'x'.repeat(endingBytesMax + 1) });
    await expect(runs.endRun([long])).rejects.toBeInstanceOf(RangeError);
    expect(await row(gid)).toMatchObject({ state: 'accepted' });
  });

  it('moves and ends a set, each row by itself', async () => {
    const gids = await Promise.all(Array.from({ length: 50 }, accepted));
    await runs.moveRun(gids.map((gid) => move(gid, 1)));
    const verdicts = await runs.endRun(gids.map((gid) => ending(gid, 2)));
    expect(verdicts.every(({ ok }) => ok)).toBe(true);
    const states = await admin.select('SELECT DISTINCT state FROM runs WHERE gid IN (?)', [gids]);
    expect(states).toEqual([{ state: 'completed' }]);
  });

  it('B20 stands on one side when decide and its seal meet', async () => {
    const sides = new Set<boolean>();
    for (let round = 0; round < 40; round += 1) {
      const gid = await accepted();
      const request = { key: stepKeyOf(gid, decideBranch), minEpoch: 0 };
      const sealFirst = round % 2 === 0 ? runs.sealDecision([request]) : undefined;
      const deciding = runs.decide([request]);
      const [[decided], [sealed]] = await Promise.all([
        deciding,
        sealFirst ?? runs.sealDecision([request]),
      ]);
      const happened = sealed?.ok === true && sealed.result.happened;
      expect(decided?.ok).toBe(happened);
      expect(await row(gid)).toMatchObject({ pivot_passed: happened ? 1 : 0 });
      sides.add(happened);
    }
    expect(sides.size).toBe(2);
  });

  it('compares every write with the cluster state of the hub', async () => {
    const gid = await accepted();
    const stale = { ...move(gid, 1), minEpoch: 7 };
    await expect(runs.moveRun([stale])).rejects.toMatchObject({ type: 'StaleEpoch' });
    await admin.change(`UPDATE cluster_state SET epoch = 7 WHERE cluster = 'main'`);
    expect(await runs.moveRun([stale])).toMatchObject([{ ok: true, epoch: 7 }]);
  });

  it('announces what the catalogue of events says', async () => {
    const { fit, misfits } = await eventsAgainstCatalogue(admin);
    expect(misfits).toEqual([]);
    expect(fit).toBeGreaterThan(0);
  });
});
