import { expect, it } from '@jest/globals';

import type { TransactionInput } from '../../../contracts/transaction';
import { detailsOf } from '../../../workflows/kernel/details';
import { createRun, type StepRecord } from '../../../workflows/kernel/run';

const input: TransactionInput = {
  gid: 'transfer:acme.T-1',
  tenant: 'acme',
  flow: 'transfer',
  deadlineAt: 120_000,
  undoBudgetMs: 60_000,
};

it('the Temporal UI shows what is at risk in the digits of its currency', () => {
  const run = createRun(input, { now: () => 1_000, wasReset: false });
  const atRisk = [
    { kind: 'hold', currency: 'KWD', minorUnits: 1_250 },
    { kind: 'stock', sku: 'acme.S-1', quantity: 2 },
  ] as const;
  run.state = 'parked';
  run.steps.set('debit', { ...aStep, atRisk });
  run.parked.set('debit', {
    step: 'debit',
    reason: 'undo_failed',
    detail: 'No such row.',
    decisions: ['retry'],
    failures: 1,
    parkedAt: 1_000,
  });
  expect(detailsOf(run)).toContain('- at risk: 1.250 KWD, 2 of acme.S-1');
});

const aStep: StepRecord = {
  name: 'debit',
  kind: 'compensable',
  key: 'transfer:acme.T-1/debit',
  effect: 'transfer:acme.T-1/debit',
  atRisk: [],
  startedAt: 1_000,
  state: 'parked',
  endedAt: null,
  fence: null,
  failure: null,
  detail: null,
  undo: undefined,
  interrupt: undefined,
};
