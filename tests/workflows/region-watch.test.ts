import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';

import type {
  ObserveCluster,
  Observation,
  Streak,
  WatchActivities,
  WatchDecision,
  WatchReport,
} from '../../contracts/regions/watch';
import { failoverTaskQueue } from '../../contracts/engine/task-queues';
import { bundleWorkflows } from '../../scripts/bundle-workflows';
import { testStack } from '../support/stack';

const seen: Streak = { misses: 0, since: 1 };
const observation: Observation = {
  ...{ epoch: 7, active: 'a', standby: 'b', at: 1 },
  ...{ answers: seen, reads: seen, writes: seen, standbyReads: null, standbyFollows: null },
};
const missing: Observation = { ...observation, writes: { misses: 3, since: 1 } };
const wanted = {
  ...{ epoch: 7, sequence: 3, from: 'a', to: 'b', reason: 'It is silent.' },
  ...{ force: false, since: 1 },
};

describe('the watch of a cluster', () => {
  let environment: TestWorkflowEnvironment;
  let codePath: string;
  beforeAll(async () => {
    const { temporal } = await testStack();
    environment = await TestWorkflowEnvironment.createFromExistingServer(temporal);
    codePath = await bundleWorkflows('workflows/index.ts', 'dist/test-bundles/region-watch.js');
  }, 120_000);
  afterAll(() => environment.teardown());

  /** Plays the decisions, one after the other, until there is nothing to watch. */
  async function watch(
    decisions: readonly WatchDecision[],
    played: Partial<WatchActivities> = {},
    ...more: readonly unknown[]
  ) {
    const left = [...decisions];
    let isOver = false; // Once somebody asks behind the last of them: until then it may still be acted on.
    const calls: string[] = [];
    const looks: ObserveCluster[] = [];
    const called = <Answer>(name: string, answer: Answer) => {
      calls.push(name);
      return Promise.resolve(answer);
    };
    const activities: WatchActivities = {
      observe: async (request) => {
        looks.push(request);
        await delay(20);
        return isOver ? null : observation;
      },
      decide: () => {
        isOver = left.length === 0;
        return Promise.resolve({ decision: left.shift() ?? { kind: 'nothing' }, againMs: 20 });
      },
      page: ({ code }) => called(`page ${code}`, null),
      degrade: ({ epoch }) => called(`degrade ${epoch}`, true),
      requestFailover: ({ to }) => called(`failover ${to}`, null),
      askFailover: ({ to }) => called(`ask ${to}`, null),
      requestResync: ({ region }) => called(`resync ${region}`, null),
      ...played,
    };
    const taskQueue = `test-${randomUUID()}`;
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      namespace: (await testStack()).temporal.namespace,
      taskQueue,
      workflowBundle: { codePath },
      activities: Object.fromEntries(
        Object.entries(activities).map(([name, call]) => [`watch.${name}`, call as () => unknown]),
      ),
    });
    const report = await worker.runUntil(
      environment.client.workflow.execute<(...args: unknown[]) => Promise<WatchReport>>(
        'regionWatch',
        {
          taskQueue,
          workflowId: `watch:${randomUUID()}`,
          args: [{ cluster: 'main' }, ...more],
        },
      ),
    );
    return { report, calls, looks };
  }

  const silent = (code: string): WatchDecision => ({ kind: 'page', code, detail: 'It is silent.' });
  const nothing: WatchDecision = { kind: 'nothing' };

  it('looks from both vantage points, and ends where there is nothing to watch', async () => {
    const { report, looks } = await watch([nothing]);
    expect(report).toEqual({ ended: 'nothing_to_watch' });
    expect(new Set(looks.map(({ vantage }) => vantage))).toEqual(new Set(['hub', 'link']));
    expect(looks[0]).toMatchObject({ cluster: 'main', since: null });
    expect(looks.at(-1)?.since).toEqual(observation);
  }, 120_000);

  it('does what is decided', async () => {
    const { calls } = await watch([
      { kind: 'degrade', epoch: 7, detail: 'The standby is gone.' },
      { kind: 'ask', ...wanted },
      { kind: 'failover', ...wanted },
      { kind: 'resync', epoch: 7, sequence: 3, region: 'b', active: 'a' },
    ]);
    expect(calls).toEqual(['degrade 7', 'ask b', 'failover b', 'resync b']);
  }, 120_000);

  it('tells once what lasts, and again what comes again', async () => {
    const [one, other] = [silent('silent_at_hub'), silent('silent_at_link')];
    const { calls } = await watch([one, one, other, other, nothing, other, nothing]);
    expect(calls).toEqual(['page silent_at_hub', 'page silent_at_link', 'page silent_at_link']);
  }, 120_000);

  it('tells nothing again while something is still missed', async () => {
    const decisions = [silent('silent_at_hub'), nothing, silent('silent_at_hub'), nothing];
    let left = 12;
    const { calls } = await watch(decisions, {
      observe: async () => {
        await delay(50);
        return (left -= 1) > 0 ? missing : null;
      },
    });
    expect(calls).toEqual(['page silent_at_hub']);
  }, 120_000);

  it('starts a switch that was accepted under its gid, where the failover worker listens', async () => {
    const gid = `failover:t.${randomUUID()}`;
    await watch([{ kind: 'failover', ...wanted }, nothing], {
      requestFailover: () => Promise.resolve({ gid, input: { gid } as never }), // Nobody runs it here.
    });
    const handle = environment.client.workflow.getHandle(gid);
    const { type, taskQueue } = await handle.describe();
    await handle.terminate('The test is over.');
    expect([type, taskQueue]).toEqual(['regionFailover', failoverTaskQueue]);
  }, 120_000);

  it('decides again where something could not be done', async () => {
    let tries = 0;
    const degrade: WatchDecision = { kind: 'degrade', epoch: 7, detail: 'The standby is gone.' };
    await watch([degrade, degrade], {
      degrade: () =>
        (tries += 1) === 1
          ? Promise.reject(ApplicationFailure.nonRetryable('It does not answer.'))
          : Promise.resolve(true),
    });
    expect(tries).toBe(2);
  }, 120_000);

  it('goes on from where an earlier run of it stood', async () => {
    const progress = { observations: { hub: missing, link: observation }, told: 'silent_at_hub' };
    const { looks, calls } = await watch([silent('silent_at_hub')], {}, progress);
    expect(looks.find(({ vantage }) => vantage === 'hub')?.since).toEqual(missing);
    expect(calls).toEqual([]);
  }, 120_000);
});
