import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';

import type { SqlPool } from '../../../activities/fence/sql-transaction';
import { batchIdOf } from '../../../contracts/engine/batches';
import type { Gid } from '../../../contracts/engine/ids';
import { searchAttributes } from '../../../contracts/engine/search-attributes';
import { openSession, type Session } from '../../../invariants/mysql-session';
import type { Reading } from '../../../invariants/reading';
import { compareOwners, findUnowned } from '../../../testing/verify/open-rows';
import type { RunsCompared } from '../../../testing/verify/run-rows';
import { compareRuns } from '../../../testing/verify/runs-in-temporal';
import { eventually } from '../../support/eventually';
import { ownDatabases, type OwnDatabases } from '../../support/databases';
import { testStack } from '../../support/stack';

/** No worker runs: what a check asks of a workflow, Temporal knows by itself. */
describe('the owner of a row', () => {
  let own: OwnDatabases;
  let accord: SqlPool;
  let session: Session;
  let environment: TestWorkflowEnvironment;
  const started: WorkflowHandle[] = [];
  beforeAll(async () => {
    own = await ownDatabases(['accord']);
    accord = own.pool(own.adminUrl('accord'));
    session = openSession(own.urls.VERIFY_DATABASE_URLS);
    environment = await TestWorkflowEnvironment.createFromExistingServer(
      (await testStack()).temporal,
    );
  }, 60_000);
  afterAll(async () => {
    await Promise.allSettled(started.map((handle) => handle.terminate('The test is over.')));
    await environment.teardown();
    await session.close();
    await own.drop();
  });

  const newGid = (): Gid => `order:acme.${randomUUID()}`;
  const newBatch = (): string => batchIdOf('order', randomUUID());

  interface Row {
    readonly owner: string;
    readonly state?: string;
    readonly lane?: 'single' | 'batch';
    readonly isConfirmed?: boolean;
  }
  const plant = (
    gid: Gid,
    {
      owner,
      state = 'running',
      lane = owner === gid ? 'single' : 'batch',
      isConfirmed = true,
    }: Row,
  ) =>
    accord.change(
      `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner, lane, state, region,
         epoch, accepted_at, start_sent_at, start_confirmed_at, deadline_at, at_risk)
       VALUES (?, 'acme', 'order', ?, 'POST /v1/orders', REPEAT('x', 32), '{}', ?, ?, ?, 'a', 1, UTC_TIMESTAMP(3),
         UTC_TIMESTAMP(3), IF(?, UTC_TIMESTAMP(3), NULL), UTC_TIMESTAMP(3), '[]')`,
      [gid, gid.slice('order:acme.'.length), owner, lane, state, isConfirmed],
    );
  const change = (gid: Gid, column: 'owner' | 'state', value: string) =>
    accord.change(`UPDATE runs SET ${column} = ? WHERE gid = ?`, [value, gid]);
  const clear = () => accord.change('DELETE FROM runs');

  async function start(workflowId: string, input: object = {}, state = 'running') {
    const handle = await environment.client.workflow.start('orderSaga', {
      ...{ workflowId, taskQueue: `nobody-${randomUUID()}`, args: [input] },
      typedSearchAttributes: new TypedSearchAttributes([
        { key: searchAttributes.state, value: state },
      ]),
    });
    started.push(handle);
    return handle;
  }
  const startBatch = (workflowId: string, ...gids: readonly Gid[]) =>
    start(workflowId, { batch: gids.map((gid) => ({ gid })) });

  const sentencesOf = ({ violations }: RunsCompared) =>
    violations.map(({ row }) => ('wrong' in row ? row.wrong : undefined));
  /** What X8 says of the rows that are there. @param onSelect comes between two statements of the check. */
  const differences = async (
    onSelect: (statement: number) => Promise<unknown> = () => Promise.resolve(),
    ask: typeof compareOwners = compareOwners,
  ) => {
    let statements = 0;
    const compared = await session.latest((reading) => {
      const between: Reading = {
        ...reading,
        async select<Found extends object>(sql: string, values?: readonly unknown[]) {
          const rows = await reading.select<Found>(sql, values);
          await onSelect((statements += 1));
          return rows;
        },
      };
      return ask(between, environment.client);
    });
    await clear();
    return sentencesOf(compared);
  };

  it('is right where its workflow runs, or its batch names it, or its start is just being sent', async () => {
    const [single, parked, inBatch, unsent] = [newGid(), newGid(), newGid(), newGid()];
    const batch = newBatch();
    await start(single);
    await start(parked, {}, 'parked');
    await startBatch(batch, newGid(), inBatch);
    await plant(single, { owner: single });
    await plant(parked, { owner: parked, state: 'parked' });
    await plant(inBatch, { owner: batch });
    await plant(unsent, { owner: newBatch(), isConfirmed: false });
    expect(await differences()).toEqual([]);
  });

  const wrong: readonly (readonly [string, (gid: Gid) => Promise<unknown>, string])[] = [
    [
      'a workflow that does not run',
      (gid) => plant(gid, { owner: gid }),
      'open, and its owner does not run',
    ],
    [
      'a batch that has closed',
      async (gid) => {
        const batch = newBatch();
        await (await startBatch(batch, gid)).terminate('Planted.');
        await plant(gid, { owner: batch });
      },
      'open, and its batch does not run',
    ],
    [
      'a batch that was started without it',
      async (gid) => {
        const batch = newBatch();
        await startBatch(batch, newGid());
        await plant(gid, { owner: batch });
      },
      'its batch runs, and does not name it',
    ],
    [
      'the workflow of another transaction',
      async (gid) => {
        const other = newGid();
        await start(other);
        await plant(gid, { owner: other, lane: 'single' });
      },
      'its owner is neither its gid nor a batch',
    ],
    [
      'a batch, and its lane is single',
      async (gid) => {
        const batch = newBatch();
        await startBatch(batch, gid);
        await plant(gid, { owner: batch, lane: 'single' });
      },
      'its lane is not that of its owner',
    ],
    [
      'a batch, and it says parked',
      async (gid) => {
        const batch = newBatch();
        await startBatch(batch, gid);
        await plant(gid, { owner: batch, state: 'parked' });
      },
      'parked, and its owner is not',
    ],
    [
      'a workflow that is not parked, and it says so',
      async (gid) => {
        await start(gid);
        await plant(gid, { owner: gid, state: 'parked' });
      },
      'parked, and its owner is not',
    ],
    [
      'a parked workflow, and it does not say so',
      async (gid) => {
        await start(gid, {}, 'parked');
        await plant(gid, { owner: gid, state: 'undoing' });
      },
      'its owner is parked, and it does not say so',
    ],
  ];
  it('is wrong in each of these ways, and the check says in which', async () => {
    const planted = wrong.map(([what, plantIt, sentence]) => ({
      ...{ what, plantIt, sentence },
      gid: newGid(),
    }));
    for (const { plantIt, gid } of planted) await plantIt(gid);
    const { violations } = await session.latest((reading) =>
      compareOwners(reading, environment.client),
    );
    await clear();
    const said = new Map(violations.map(({ row }) => ['gid' in row && row.gid, row]));
    expect(planted.map(({ what, gid }) => ({ what, ...said.get(gid) }))).toMatchObject(
      planted.map(({ what, sentence }) => ({ what, wrong: sentence })),
    );
    expect(violations).toHaveLength(planted.length);
  }, 30_000);

  it('is right where its row follows it a moment later', async () => {
    const gid = newGid();
    await start(gid, {}, 'parked');
    await plant(gid, { owner: gid, state: 'undoing' });
    expect(
      await differences((nth) => (nth === 1 ? change(gid, 'state', 'parked') : none())),
    ).toEqual([]);
  });

  it('is right where it has changed since its row was read', async () => {
    for (const ask of [compareOwners, findUnowned]) {
      const [gid, batch] = [newGid(), newBatch()];
      await (await startBatch(batch, gid)).terminate('All have left it.');
      await plant(gid, { owner: batch });
      const leave = () => change(gid, 'owner', gid);
      expect(await differences((nth) => (nth === 1 ? leave() : none()), ask)).toEqual([]);
    }
  });

  it('of a batch is a workflow that all have left, unless one of them has no row', async () => {
    const [left, missing, batch] = [newGid(), newGid(), newBatch()];
    await startBatch(batch, left, missing);
    await plant(left, { owner: left, isConfirmed: false });
    const found = await eventually(
      async () => {
        const { violations } = await session.latest((reading) =>
          compareRuns(reading, environment.client, []),
        );
        const gids = violations.map(({ row }) => ('gid' in row ? row.gid : undefined));
        return gids.includes(missing) && gids;
      },
      { withinMs: 30_000, what: 'the transaction without a row' },
    );
    expect(found).not.toContain(left);
    expect(found).not.toContain(batch);
    await clear();
  }, 60_000);
});

const none = (): Promise<void> => Promise.resolve();
