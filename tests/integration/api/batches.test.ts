import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { defaultPayloadConverter } from '@temporalio/common';

import type { NewRun, Outcomes } from '../../../api/stores/runs/acceptance';
import { batchIdOf, type BatchInput } from '../../../contracts/engine/batches';
import { eventually } from '../../support/eventually';
import {
  anOrder,
  aReference,
  aStart,
  ownApis,
  withTemporal,
  type OwnApi,
  type OwnApis,
} from './own-api';

let apis: OwnApis;
let api: OwnApi;

beforeAll(async () => {
  apis = await ownApis();
  api = await apis.start();
});
afterAll(() => apis.close());

const aBatchId = (): string => batchIdOf('order', randomBytes(16).toString('hex'));
const starts = (count: number): NewRun[] => Array.from({ length: count }, () => aStart());
const gidsOf = (runs: readonly NewRun[]): string[] => runs.map(({ input }) => input.gid).sort();

/** Accepts starts as one batch, and sends nothing. */
async function acceptBatch(
  runs: readonly NewRun[],
  { isSent = true, owner = aBatchId() } = {},
): Promise<{ readonly owner: string; readonly outcomes: Outcomes }> {
  const batches = new Map([['order', owner]]);
  const outcomes = await api.dependencies.runs.acceptSet(runs, { isSent, batches });
  return { owner, outcomes };
}

/** The rows are as old as those that a dead process has left. */
const beDue = (owner: string): Promise<unknown> =>
  apis.sql(
    `UPDATE runs SET accepted_at = accepted_at - INTERVAL 4 SECOND, start_sent_at = start_sent_at - INTERVAL 4 SECOND
     WHERE owner = ?`,
    [owner],
  );

async function rowsOf(runs: readonly NewRun[]) {
  const rows = await apis.sql(
    `SELECT owner, lane, state, start_confirmed_at IS NOT NULL AS isConfirmed, acceptance
     FROM runs WHERE gid IN (?) ORDER BY gid`,
    [gidsOf(runs)],
  );
  return rows.map((row) => ({
    owner: String(row['owner']),
    lane: String(row['lane']),
    state: String(row['state']),
    isConfirmed: row['isConfirmed'] === 1,
    acceptance: String(row['acceptance']),
  }));
}
const ownersOf = async (runs: readonly NewRun[]): Promise<Set<string>> =>
  new Set((await rowsOf(runs)).map(({ owner }) => owner));

/** Gids that the workflow of a batch was started with, as its history has them. */
const carriedBy = (owner: string): Promise<readonly string[]> =>
  withTemporal(async (client) => {
    const { events } = await client.workflow.getHandle(owner).fetchHistory();
    const [input] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    if (!input) throw new Error(`${owner} has no input.`);
    const { batch } = defaultPayloadConverter.fromPayload<BatchInput>(input);
    return batch.map(({ gid }) => gid).sort();
  });

/** Another process, whose rounds go on until these rows are confirmed. */
async function confirmedByAnother(runs: readonly NewRun[]): Promise<void> {
  const another = await apis.start();
  another.starter.begin();
  await eventually(async () => (await rowsOf(runs)).every(({ isConfirmed }) => isConfirmed));
  await another.starter.stop();
}

describe('starts that are accepted together', () => {
  it('are owned by their batch from the commit on that accepts them', async () => {
    const runs = starts(20);
    const { owner, outcomes } = await acceptBatch(runs);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'fulfilled', value: { kind: 'accepted', owner } });
    const rows = await rowsOf(runs);
    expect(new Set(rows.map((row) => `${row.lane} ${row.owner}`))).toEqual(
      new Set([`batch ${owner}`]),
    );
    expect(new Set(rows.map(({ acceptance }) => acceptance)).size).toBe(1); // One SQL transaction.
  });

  it('own what is new of them alone: what was there before keeps its owner', async () => {
    const [earlier, ...others] = starts(5) as [NewRun, ...NewRun[]];
    const first = await acceptBatch([earlier, ...others.slice(0, 1)]);
    const { owner } = await acceptBatch([earlier, ...others]);
    expect(await ownersOf([earlier])).toEqual(new Set([first.owner]));
    expect(await ownersOf(others.slice(1))).toEqual(new Set([owner]));
  });

  it('are no batch where MySQL has taken them one by one, in commits of their own', async () => {
    const runs = [...starts(3), aStart({ reference: 'R'.repeat(65) })];
    const { outcomes } = await acceptBatch(runs);
    expect(outcomes.map(({ status }) => status).join()).toBe(
      'fulfilled,fulfilled,fulfilled,rejected',
    );
    const rows = await rowsOf(runs);
    expect(rows.map(({ owner }) => owner)).toEqual(gidsOf(runs.slice(0, 3)));
    expect(new Set(rows.map(({ lane }) => lane))).toEqual(new Set(['single']));
  });

  it('are one workflow in Temporal, with exactly the rows of their batch, and one that comes alone is its own', async () => {
    const mixed = await apis.start({ LANES: 'mixed' });
    const authorization = await mixed.credential('acme');
    const post = async (): Promise<string> => {
      const orderId = aReference();
      const answer = await mixed.api.inject({
        method: 'POST',
        url: '/v1/orders',
        headers: { authorization, 'idempotency-key': orderId },
        payload: anOrder(orderId),
      });
      expect(answer.json()).toMatchObject({ state: 'running' });
      return orderId;
    };
    const alone = `order:acme.${await post()}`;
    const references = await Promise.all(Array.from({ length: 30 }, post));
    const rows = await apis.sql(
      `SELECT owner, JSON_ARRAYAGG(CONVERT(gid USING ascii)) AS gids FROM runs
       WHERE lane = 'batch' AND reference IN (?) GROUP BY owner`,
      [references],
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const { owner, gids } of rows)
      expect(await carriedBy(String(owner))).toEqual((gids as string[]).sort());
    const [row] = await apis.sql(`SELECT owner = gid AS isSingle FROM runs WHERE gid = ?`, [alone]);
    expect(row).toEqual({ isSingle: 1 });
  });
});

describe('the workflow of a batch', () => {
  it('names its flow, how many it carries, and its tenant where it has one', async () => {
    const runs = starts(3);
    const inputs = runs.map(({ input }) => input);
    const other = aStart();
    const ofTwoTenants = [...inputs, { ...other.input, tenant: 'globex' }];
    const [one, two] = [aBatchId(), aBatchId()];
    await api.dependencies.temporal.startBatch(one, inputs);
    await api.dependencies.temporal.startBatch(two, ofTwoTenants);
    const [about, aboutTwo] = await withTemporal((client) =>
      Promise.all(
        [one, two].map(async (id) => {
          const described = await client.workflow.getHandle(id).describe();
          await client.workflow.getHandle(id).terminate('The test is over.');
          return {
            type: described.type,
            summary: await described.staticSummary(),
            attributes: described.typedSearchAttributes.getAll(),
          };
        }),
      ),
    );
    expect(about).toMatchObject({ type: 'orderSaga', summary: '3 of order' });
    expect(JSON.stringify(about?.attributes)).toContain('"acme"');
    expect(aboutTwo).toMatchObject({ summary: '4 of order' });
    expect(JSON.stringify(aboutTwo?.attributes)).not.toMatch(/"acme"|"globex"/);
  });
});

describe('a process that dies', () => {
  it('between COMMIT and start leaves a batch that another one starts by its owner, with exactly its rows', async () => {
    const runs = starts(20);
    const { owner } = await acceptBatch(runs);
    await beDue(owner);
    await confirmedByAnother(runs);
    expect(await carriedBy(owner)).toEqual(gidsOf(runs));
    expect(new Set((await rowsOf(runs)).map(({ state }) => state))).toEqual(new Set(['running']));
  });

  it('between start and confirmation leaves a batch that is confirmed, and not started twice', async () => {
    const runs = starts(20);
    const { owner } = await acceptBatch(runs);
    await api.dependencies.temporal.startBatch(
      owner,
      runs.map(({ input }) => input),
    );
    const before = await executionsOf(owner);
    await beDue(owner);
    await confirmedByAnother(runs);
    expect(await executionsOf(owner)).toBe(before);
  });

  it('leaves a batch that has ended meanwhile as it is: its id is used', async () => {
    const runs = starts(2);
    const { owner } = await acceptBatch(runs);
    await api.dependencies.temporal.startBatch(
      owner,
      runs.map(({ input }) => input),
    );
    const before = await executionsOf(owner);
    await withTemporal((client) => client.workflow.getHandle(owner).terminate('It has ended.'));
    await beDue(owner);
    await confirmedByAnother(runs);
    expect(await executionsOf(owner)).toBe(before);
  });
});

/** The latest run under this workflow id. */
const executionsOf = (owner: string): Promise<string> =>
  withTemporal(async (client) => (await client.workflow.getHandle(owner).describe()).runId);

describe('a batch that was never sent', () => {
  it('waits while Temporal is away, and is started by one start afterwards, without what was cancelled meanwhile', async () => {
    const runs = starts(20);
    const { owner } = await acceptBatch(runs, { isSent: false });
    const [cancelled, ...others] = runs as [NewRun, ...NewRun[]];
    expect(await cancel(cancelled)).toBe(true);
    let asked = 0;
    const away = await apis.start(
      {},
      {
        temporal: {
          startBatch: () => {
            asked += 1;
            return Promise.reject(new Error('Temporal is away.'));
          },
        },
      },
    );
    await beDue(owner);
    away.starter.begin();
    await away.starter.stop();
    expect(asked).toBe(1);
    await beDue(owner);
    await confirmedByAnother(others);
    expect(await carriedBy(owner)).toEqual(gidsOf(others));
  });

  it('can be cancelled row by row once its marks are given back, and not while it is being sent', async () => {
    const runs = starts(3);
    const { owner, outcomes } = await acceptBatch(runs);
    const [first, second] = runs as [NewRun, NewRun];
    expect(await cancel(first)).toBe(false);
    await api.dependencies.runs.giveBackUnsent(
      outcomes.flatMap((outcome, at) => {
        const { input } = runs[at] ?? {};
        const claim = outcome.status === 'fulfilled' ? outcome.value : undefined;
        if (!input || claim?.kind !== 'accepted' || !claim.sentAt) return [];
        return [{ owner, input, sentAt: claim.sentAt }];
      }),
    );
    expect(await cancel(first)).toBe(true);
    await beDue(owner);
    expect(gidsOfClaim(await api.dependencies.runs.claimOwner(owner))).toEqual(
      gidsOf(runs.slice(1)),
    );
    expect(await cancel(second)).toBe(false);
  });
});

describe('a claim', () => {
  const { claimOwner, dueOwners, giveBackSending, backlog } = {
    claimOwner: (owner: string, by = api) => by.dependencies.runs.claimOwner(owner),
    dueOwners: (limit: number) => api.dependencies.runs.dueOwners(limit),
    giveBackSending: (gids: readonly string[], at: Date) =>
      api.dependencies.runs.giveBackSending(gids, at),
    backlog: () => api.dependencies.runs.backlog(10_000),
  };

  /** What earlier tests have left is nobody's any more. */
  beforeEach(() =>
    apis.sql(
      'UPDATE runs SET start_confirmed_at = UTC_TIMESTAMP(3) WHERE start_confirmed_at IS NULL',
    ),
  );

  it('takes all rows of its owner, however small the limit is that owners were found with', async () => {
    const runs = starts(300);
    const { owner } = await acceptBatch(runs);
    expect(await backlog()).toBe(0); // It is being sent.
    await beDue(owner);
    expect(await backlog()).toBe(300);
    expect(await dueOwners(1)).toEqual([owner]);
    expect(gidsOfClaim(await claimOwner(owner))).toEqual(gidsOf(runs));
    expect(await dueOwners(1_000)).toEqual([]);
  });

  it('takes the rows of its owner together, also those that are not due by themselves', async () => {
    const runs = starts(3);
    const { owner } = await acceptBatch(runs, { isSent: false });
    const [late, ...others] = runs as [NewRun, ...NewRun[]];
    await beDue(owner);
    await apis.sql('UPDATE runs SET accepted_at = UTC_TIMESTAMP(3) WHERE gid = ?', [
      late.input.gid,
    ]);
    expect(gidsOfClaim(await claimOwner(owner))).toEqual(gidsOf(runs));
    for (const run of [late, ...others]) expect(await cancel(run)).toBe(false);
  });

  it('finds no more owners than were asked for, and the others the next time', async () => {
    const owners = await Promise.all(
      Array.from({ length: 3 }, async () => (await acceptBatch(starts(2))).owner),
    );
    for (const owner of owners) await beDue(owner);
    const found = await dueOwners(2);
    expect(found).toHaveLength(2);
    for (const owner of found) await claimOwner(owner);
    expect(await dueOwners(2)).toEqual(owners.filter((owner) => !found.includes(owner)));
  });

  it('is taken by one of several processes, as a whole', async () => {
    const other = await apis.start();
    const batches = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const runs = starts(30);
        return { runs, owner: (await acceptBatch(runs)).owner };
      }),
    );
    await Promise.all(batches.map(({ owner }) => beDue(owner)));
    for (const { runs, owner } of batches) {
      const claims = await Promise.all(
        [api, other, api, other].map((process) => claimOwner(owner, process)),
      );
      expect(claims.flatMap((claim) => (claim ? [gidsOfClaim(claim)] : []))).toEqual([
        gidsOf(runs),
      ]);
    }
  });

  it('that was given back is due at once, for whoever reaches Temporal', async () => {
    const runs = starts(3);
    const { owner } = await acceptBatch(runs);
    await beDue(owner);
    const claimed = await claimOwner(owner);
    expect(await claimOwner(owner)).toBeUndefined();
    await giveBackSending(gidsOf(runs), claimed?.sentAt ?? new Date());
    expect(gidsOfClaim(await claimOwner(owner))).toEqual(gidsOf(runs));
  });

  it('takes no row that has left its batch: that one is due under its gid', async () => {
    const runs = starts(3);
    const { owner } = await acceptBatch(runs);
    const [left, ...others] = runs as [NewRun, ...NewRun[]];
    const { gid } = left.input;
    await apis.sql(`UPDATE runs SET owner = gid, lane = 'single' WHERE gid = ?`, [gid]);
    await Promise.all([beDue(owner), beDue(gid)]);
    expect([...(await dueOwners(1_000))].sort()).toEqual([owner, gid].sort());
    expect(gidsOfClaim(await claimOwner(owner))).toEqual(gidsOf(others));
    expect(gidsOfClaim(await claimOwner(gid))).toEqual([gid]);
  });

  it('reads the rows of its owner by an index, and due owners by the range of those that are due', async () => {
    const own = await apis.sql(
      'EXPLAIN FORMAT=TRADITIONAL SELECT gid FROM runs FORCE INDEX (by_owner) WHERE owner = ?',
      ['order:acme.O-1'],
    );
    expect(own).toMatchObject([
      { key: 'by_owner', type: 'ref', Extra: 'Using where; Using index' },
    ]);
    const due = await apis.sql(
      `EXPLAIN FORMAT=TRADITIONAL SELECT owner FROM runs FORCE INDEX (unconfirmed)
       WHERE start_confirmed_at IS NULL AND ended_at IS NULL AND input IS NOT NULL
         AND (start_sent_at < UTC_TIMESTAMP(3) OR (start_sent_at IS NULL AND accepted_at < UTC_TIMESTAMP(3)))
       ORDER BY start_confirmed_at, start_sent_at LIMIT 2000`,
    );
    expect(due).toMatchObject([{ key: 'unconfirmed', type: 'range' }]);
    expect(JSON.stringify(due)).not.toContain('filesort');
  });
});

const gidsOfClaim = (
  claim: { readonly inputs: readonly { readonly gid: string }[] } | undefined,
): readonly string[] => (claim?.inputs ?? []).map(({ gid }) => gid).sort();

const cancel = ({ input }: NewRun): Promise<boolean> =>
  api.dependencies.runs.cancelUnsent(input.gid, input.tenant, new Date(), { outcome: 'cancelled' });
