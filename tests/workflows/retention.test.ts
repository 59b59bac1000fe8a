import { shop } from '../../contracts/shop';
import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';

import type {
  RetentionActivities,
  RetentionReport,
  StampFence,
} from '../../contracts/engine/retention';
import { bundleWorkflows } from '../../scripts/bundle-workflows';
import { testStack } from '../support/stack';

describe('the job retention', () => {
  let environment: TestWorkflowEnvironment;
  let codePath: string;
  beforeAll(async () => {
    const { temporal } = await testStack();
    environment = await TestWorkflowEnvironment.createFromExistingServer(temporal);
    codePath = await bundleWorkflows('workflows/index.ts', 'dist/test-bundles/retention.js');
  });
  afterAll(() => environment.teardown());

  const run = async (activities: RetentionActivities): Promise<RetentionReport> => {
    const taskQueue = `test-${randomUUID()}`;
    const { namespace } = (await testStack()).temporal;
    const named = Object.entries(activities).map(
      ([name, call]) => [`retention.${name}`, call as unknown] as const,
    );
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      namespace,
      taskQueue,
      workflowBundle: { codePath },
      activities: Object.fromEntries(named),
    });
    return worker.runUntil(
      environment.client.workflow.execute<() => Promise<RetentionReport>>('retention', {
        taskQueue,
        workflowId: `retention-${randomUUID()}`,
        args: [],
      }),
    );
  };

  it('looks at each page of each fence once, deletes until nothing is left, and says what it did', async () => {
    const pages: StampFence[] = [];
    const left = { orders: 2, keys: 1 };
    const report = await run({
      participants: () => Promise.resolve(shop.fenced),
      stampFence(page) {
        pages.push(page);
        const next = { createdAt: '2026-01-01 00:00:00.000', gid: 'order:acme.O-1', branch: 'b' };
        const isFirst = page.participant === 'accounts' && page.after === null;
        return Promise.resolve({ stamped: 10, leaked: 1, next: isFirst ? next : null });
      },
      deleteExpired: ({ participant }) =>
        Promise.resolve({
          deleted: participant === 'orders' ? 5 : 0,
          more: participant === 'orders' && (left.orders -= 1) > 0,
        }),
      expireKeys: () => Promise.resolve({ expired: 3, more: (left.keys -= 1) >= 0 }),
    });
    expect(pages.map(({ participant }) => participant)).toEqual([
      'inventory',
      'accounts',
      'accounts',
      'coupons',
      'orders',
      'accord',
    ]);
    expect(pages[2]?.after).toMatchObject({ gid: 'order:acme.O-1' });
    expect(report).toEqual({
      stamped: 60,
      leaked: 6,
      deleted: 10,
      expiredKeys: 6,
      isComplete: true,
    });
  });
});
