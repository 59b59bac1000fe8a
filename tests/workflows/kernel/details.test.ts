import { expect, it } from '@jest/globals';

import type { TransactionInput } from '../../../contracts/engine/transaction';
import { detailsOf } from '../../../workflows/kernel/details';
import { createRun, type StepRecord } from '../../../workflows/kernel/run';
import { standingClock } from '../../support/clocks';

const input: TransactionInput = {
  gid: 'transfer:acme.T-1',
  tenant: 'acme',
  flow: 'transfer',
  deadlineAt: 120_000,
  undoBudgetMs: 60_000,
};

it('the Temporal UI shows what is at risk in the digits of its currency', () => {
  const run = createRun(input, { clock: standingClock(1_000), wasReset: false });
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

it('the Temporal UI shows what a person reviews: the amount and who pays', () => {
  const run = createRun(input, { clock: standingClock(1_000), wasReset: false });
  run.reviewUntil = 61_000;
  run.reviewAbout = '15000.00 EUR from acme.A-RICH to acme.M-1';
  expect(detailsOf(run)).toContain(
    "- waits for a person's review of **15000.00 EUR from acme.A-RICH to acme.M-1** until 1970-01-01T00:01:01.000Z",
  );
});

it('the Temporal UI keeps the facts of a step apart', () => {
  const run = createRun(input, { clock: standingClock(1_000), wasReset: false });
  const atRisk = [{ kind: 'hold', currency: 'EUR', minorUnits: 1_250 }] as const;
  run.steps.set('debit', { ...aStep, state: 'done', fence: 'first', atRisk });
  expect(detailsOf(run)).toContain('1. **debit** (compensable) · done · fence: first · 12.50 EUR');
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
  text: null,
  wasCalled: true,
  calls: {},
  parking: null,
  undo: undefined,
  interrupt: undefined,
};
