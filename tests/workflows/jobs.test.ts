import { shop } from '../../contracts/shop';
import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';

import {
  findingKinds,
  type OpenRun,
  type ReconcileInput,
  type ReconcileReport,
  type ReconciliationActivities,
} from '../../contracts/engine/reconciliation';
import type {
  SettleDayActivities,
  SettleDayInput,
  SettleDayReport,
} from '../../contracts/participants/settlements';
import { failoverTaskQueue } from '../../contracts/engine/task-queues';
import { bundleWorkflows } from '../../scripts/bundle-workflows';
import { eventually } from '../support/eventually';
import { testStack } from '../support/stack';

describe('the jobs', () => {
  let environment: TestWorkflowEnvironment;
  let codePath: string;
  beforeAll(async () => {
    const { temporal } = await testStack();
    environment = await TestWorkflowEnvironment.createFromExistingServer(temporal);
    codePath = await bundleWorkflows('workflows/index.ts', 'dist/test-bundles/jobs.js');
  }, 120_000);
  afterAll(() => environment.teardown());

  /** Activities that find nothing, but for what a test plays. */
  const nothing: ReconciliationActivities & SettleDayActivities = {
    beginRound: () =>
      Promise.resolve({ since: '2026-01-01 00:00:00.000', participants: shop.reserving }),
    reservations: () => Promise.resolve({ judged: [], looked: 0, next: null }),
    openRuns: () => Promise.resolve({ runs: [], next: null }),
    unbookedSteps: () => Promise.resolve({ findings: [], next: null }),
    claimStarts: ({ gids }) => Promise.resolve(gids),
    isRunning: () => Promise.resolve(true),
    differingBooks: () => Promise.resolve({ findings: [], seen: null, next: null }),
    noteBooks: () => Promise.resolve(null),
    record: () => Promise.resolve(null),
    closeUnseen: () => Promise.resolve(null),
    settlementsDue: () => Promise.resolve({ due: [], next: null }),
    acceptSettlement: () => Promise.resolve(null),
  };

  const job = async <Result>(type: string, played: object, input: object): Promise<Result> => {
    const taskQueue = `test-${randomUUID()}`;
    const { namespace } = (await testStack()).temporal;
    const named = Object.entries({ ...nothing, ...played }).map(
      ([name, call]) => [`reconciliation.${name}`, call as () => Promise<unknown>] as const,
    );
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      namespace,
      taskQueue,
      workflowBundle: { codePath },
      activities: Object.fromEntries(named),
    });
    return worker.runUntil(
      environment.client.workflow.execute<(input: object) => Promise<Result>>(type, {
        taskQueue,
        workflowId: `${type}-${randomUUID()}`,
        args: [input],
      }),
    );
  };
  const reconcile = (
    played: Partial<ReconciliationActivities>,
    input: ReconcileInput = { dryRun: false },
  ): Promise<ReconcileReport> => job('reconcile', played, input);
  const recover = (
    played: Partial<ReconciliationActivities>,
    input: ReconcileInput = { dryRun: false },
  ): Promise<ReconcileReport> => job('recover', played, input);
  const settleDay = (
    played: Partial<SettleDayActivities>,
    input: SettleDayInput,
  ): Promise<SettleDayReport> => job('settleDay', played, input);

  /** A row whose workflow is a job that finds nothing: it ends by itself. */
  const openRun = (gid: string): OpenRun => ({
    gid,
    workflow: 'settleDay',
    input: { day: '2026-01-01' },
    finding: {
      kind: 'run_without_owner',
      participant: 'accord',
      gid,
      branch: null,
      subject: gid,
      amounts: [],
      ageSeconds: 600,
      detail: 'Planted.',
    },
  });
  const wasStarted = (gid: string): Promise<boolean> =>
    environment.client.workflow
      .getHandle(gid)
      .describe()
      .then(
        () => true,
        () => false,
      );

  it('recover starts what it has claimed, and nothing that was cancelled since its page was read', async () => {
    const [open, cancelled] = [`order:t.${randomUUID()}`, `order:t.${randomUUID()}`];
    const { findings } = await recover({
      openRuns: () => Promise.resolve({ runs: [openRun(open), openRun(cancelled)], next: null }),
      claimStarts: () => Promise.resolve([open]),
    });
    expect(findings).toMatchObject([{ gid: open, action: 'recovered' }]);
    expect(await wasStarted(open)).toBe(true);
    expect(await wasStarted(cancelled)).toBe(false);
  }, 120_000);

  it('recover starts a switch of regions again where the failover worker listens', async () => {
    const gid = `failover:t.${randomUUID()}`;
    await recover({ openRuns: () => Promise.resolve({ runs: [openRun(gid)], next: null }) });
    const handle = environment.client.workflow.getHandle(gid);
    const { taskQueue } = await handle.describe();
    await handle.terminate('The test is over.'); // Nobody listens there.
    expect(taskQueue).toBe(failoverTaskQueue);
  }, 120_000);

  /** As an activity whose time is over: Temporal gives it up. */
  const givesUp = (): Promise<never> =>
    Promise.reject(ApplicationFailure.nonRetryable('Its time is over.'));

  /** More pages than one run looks at. @returns those that were asked for, too. */
  const manyPages = <Page extends object>(page: Page) => {
    const asked: (string | null)[] = [];
    const call = ({ after }: { readonly after: string | null }) => {
      asked.push(after);
      const next = asked.length < 45 ? `order:t.${asked.length}` : null;
      return Promise.resolve({ ...page, next });
    };
    return { asked, call };
  };

  const pagedJobs = [
    ['recover', (call: never) => ({ openRuns: call }), { runs: [] }],
    ['reconcile', (call: never) => ({ unbookedSteps: call }), { findings: [] }],
  ] as const;
  it.each(pagedJobs)(
    '%s goes on in new runs, to the last page, and ends what it alone finds and has not seen again',
    async (type, played, page) => {
      const { asked, call } = manyPages(page);
      const closed: { readonly since: string; readonly kinds: readonly string[] }[] = [];
      const closeUnseen: ReconciliationActivities['closeUnseen'] = (request) => {
        closed.push(request);
        return Promise.resolve(null);
      };
      const report = await job<ReconcileReport>(
        type,
        { ...played(call as never), closeUnseen },
        { dryRun: false },
      );
      expect(asked).toHaveLength(45);
      expect(asked.at(-1)).toBe('order:t.44');
      expect(report.isComplete).toBe(true);
      const kinds = findingKinds.filter(
        (kind) => (kind === 'run_without_owner') === (type === 'recover'),
      );
      // The time and the kinds are those of the run that began the round.
      expect(closed).toEqual([{ since: '2026-01-01 00:00:00.000', kinds }]);
    },
    120_000,
  );

  it('recover waits for nothing that reconcile looks at', async () => {
    const open = `order:t.${randomUUID()}`;
    const { findings } = await recover({
      openRuns: () => Promise.resolve({ runs: [openRun(open)], next: null }),
      reservations: givesUp,
      unbookedSteps: givesUp,
      differingBooks: givesUp,
    });
    expect(findings).toMatchObject([{ gid: open, action: 'recovered' }]);
  }, 120_000);

  it('settleDay goes on in new runs, to the last tenant, with the day that it began with', async () => {
    const { asked, call } = manyPages({ due: [{ tenant: 't', currency: 'EUR' }] });
    const days: string[] = [];
    const report = await settleDay(
      {
        settlementsDue: call as never, // Its cursors are texts.
        acceptSettlement({ day }) {
          days.push(day);
          return Promise.resolve(null); // Settled before.
        },
      },
      { day: '2026-01-01' },
    );
    expect(asked.at(-1)).toBe('order:t.44');
    expect(days).toEqual(Array<string>(45).fill('2026-01-01'));
    expect(report).toEqual({ day: '2026-01-01', settlements: [], count: 0, isComplete: true });
  }, 120_000);

  it('reconcile leaves a part that fails for long to the next round, and goes on with the others', async () => {
    const looked: string[] = [];
    const closed: string[] = [];
    const report = await reconcile({
      reservations({ participant }) {
        looked.push(participant);
        return participant === 'accounts'
          ? givesUp()
          : Promise.resolve({ judged: [], looked: 1, next: null });
      },
      unbookedSteps: givesUp,
      differingBooks({ participant }) {
        looked.push(`books of ${participant}`);
        return Promise.resolve({ findings: [], seen: null, next: null });
      },
      closeUnseen() {
        closed.push('closed');
        return Promise.resolve(null);
      },
    });
    const all = ['inventory', 'accounts', 'coupons', 'orders'];
    expect(looked).toEqual([...all, ...all.map((participant) => `books of ${participant}`)]);
    expect(report).toMatchObject({ looked: 3, isComplete: false });
    expect(closed).toEqual([]); // What was not looked at is not gone.
  }, 120_000);

  it('settleDay leaves out what fails for long, and settles the other tenants and currencies', async () => {
    const asked: string[] = [];
    const report = await settleDay(
      {
        settlementsDue: () =>
          Promise.resolve({
            due: [
              { tenant: 'a', currency: 'EUR' },
              { tenant: 'a', currency: 'CLF' },
              { tenant: 'b', currency: 'EUR' },
            ],
            next: null,
          }),
        acceptSettlement({ tenant, currency, day }) {
          asked.push(`${tenant}.${currency}-${day}`);
          return asked.length === 1 ? givesUp() : Promise.resolve(null);
        },
      },
      { day: '2026-01-01' },
    );
    expect(asked.sort()).toEqual(['a.CLF-2026-01-01', 'a.EUR-2026-01-01', 'b.EUR-2026-01-01']);
    expect(report.isComplete).toBe(false);
  }, 120_000);

  it('settleDay settles the day before the one that the schedule meant, however late it comes', async () => {
    const taskQueue = `test-${randomUUID()}`;
    const { namespace } = (await testStack()).temporal;
    const days: string[] = [];
    const settlementsDue: SettleDayActivities['settlementsDue'] = ({ day }) => {
      days.push(day);
      return Promise.resolve({ due: [], next: null });
    };
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      namespace,
      taskQueue,
      workflowBundle: { codePath },
      activities: { 'reconciliation.settlementsDue': settlementsDue },
    });
    const id = `settle-day-${randomUUID()}`;
    const schedule = await environment.client.schedule.create({
      scheduleId: id,
      spec: { calendars: [{ hour: 0, minute: 10 }] },
      state: { paused: true },
      action: {
        type: 'startWorkflow',
        workflowType: 'settleDay',
        workflowId: id,
        taskQueue,
        args: [{ day: null }],
      },
    });
    try {
      const [start, end] = [new Date('2026-03-05T00:00:00Z'), new Date('2026-03-05T01:00:00Z')];
      await schedule.backfill({ start, end, overlap: 'ALLOW_ALL' });
      await worker.runUntil(
        eventually(() => days.length > 0, { withinMs: 60_000, what: 'the settled day' }),
      );
    } finally {
      await schedule.delete();
    }
    expect(days).toEqual(['2026-03-04']);
  }, 120_000);
});
