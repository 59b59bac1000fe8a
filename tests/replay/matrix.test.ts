import { shop } from '../../contracts/shop';
import { flowNames } from '../../contracts/flows';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { workflowTypeOf } from '../../testing/replay/history';
import { recordings } from './corpus';
import { whatBefell } from './endings';

const index = readFileSync(join(__dirname, '..', '..', 'workflows', 'index.ts'), 'utf8');
const types = [...index.matchAll(/export \{ (\w+) \}/g)].map(([, type]) => type ?? '');

/** What a recording of every flow must have lived through. */
const ofEveryFlow = [
  'completed',
  'compensated',
  'retried',
  'reset',
  'resolveTransaction: retry',
  'resolveTransaction: done',
  'resolveTransaction: skip',
];
/** Decided by its first step, which nobody seals: there is no moment in which it could be cancelled. */
const uncancellable = ['failback'];

const befell = (type: string): ReadonlySet<string> =>
  new Set(
    recordings
      .filter(({ history }) => workflowTypeOf(history) === type)
      .flatMap((recording) => [...whatBefell(recording)]),
  );

describe('the corpus has', () => {
  it.each(types)('a recording of the workflow type %s that came to its end', (type) => {
    const ends = [...befell(type)].filter((each) => each === 'completed' || each === 'ended');
    expect(ends.length).toBeGreaterThan(0);
  });

  it.each(flowNames)(
    'every ending of the flow %s, each decision on a parked step, a reset',
    (flow) => {
      const cancelled = uncancellable.includes(flow) ? [] : ['cancelTransaction'];
      const found = befell(shop.workflowOf(flow));
      expect([...ofEveryFlow, ...cancelled].filter((each) => !found.has(each))).toEqual([]);
    },
  );
});
