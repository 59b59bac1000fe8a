import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { breaks, twinOf, type BreakName } from '../../../testing/chaos/breaks';
import { writeBundleWith } from '../../../testing/chaos/bundle-with';
import { checkout } from '../../../testing/stack/config';
import { laws, plan, plansPerRun, played } from '../support/kernel-laws';
import { testWorkflowsPath, workflowTests } from '../support/transaction-worker';

/** The kernel of the tests, with one planted bug. */
async function bundleWith(bug: BreakName): Promise<string> {
  const path = join(checkout, 'dist', 'test-bundles', `${process.pid}-${bug}.js`);
  mkdirSync(dirname(path), { recursive: true });
  await writeBundleWith(path, { target: breaks[bug].target, twin: twinOf(bug) }, testWorkflowsPath);
  return path;
}

/** The laws of random flows that each turns red, by how they begin. */
const bugs = [
  ['undo-order', ['undo runs last first']],
  ['undo-without-seal', ['undo begins with the seal', 'a transaction has one ending']],
  ['swallow-undo-error', ['a compensated one leaves nothing behind']],
  ['forget-confirm', ['a completed one forgets nothing']],
] as const;

/** The same at each run: a law that catches a bug by chance alone would catch it no more some day. */
const plans = fc.sample(plan, { seed: 7, numRuns: plansPerRun * 4 });

describe.each(bugs)('the planted bug %s', (bug, beginnings) => {
  const tests = workflowTests(() => bundleWith(bug));

  it.each(beginnings)('is seen by the law "%s …"', async (beginning) => {
    const law = Object.entries(laws).find(([sentence]) => sentence.startsWith(beginning))?.[1];
    const everyPlan = async (): Promise<void> => {
      for (let at = 0; at < plans.length; at += plansPerRun) {
        const part = await played(tests, plans.slice(at, at + plansPerRun));
        for (const [each, outcome] of part) law?.(each, outcome);
      }
    };
    await expect(everyPlan()).rejects.toThrow(/expect/);
  });
});
