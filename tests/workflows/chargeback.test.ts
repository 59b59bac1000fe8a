import { describe, expect, it } from '@jest/globals';

import type { RefundInput } from '../../contracts/participants/payments';
import { aRefund } from './support/builders';
import { fakeParticipants, refuses, type Answer } from './support/fake-participants';
import { inReview, review } from './support/steering';
import { statesOf, transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);

const branches = ['reserveRefund', 'review', 'returnFunds'];

/** The fake reserves 12.50 EUR. */
const chargebackAbove = (minorUnits: number, withinMs = 60_000): RefundInput =>
  aRefund({ kind: 'chargeback', review: { above: { EUR: minorUnits }, withinMs } });

describe('a chargeback above what the policy lets pass', () => {
  it('waits for a person with its money set aside, and is booked when that one approves', async () => {
    const said: unknown[] = [];
    const records: Answer = ({ request, proceed }) => {
      said.push(request);
      return proceed();
    };
    const fakes = fakeParticipants({ 'accounts.recordRefundReview': records });
    const chargeback = chargebackAbove(1_249);
    const result = await runs.run(fakes, chargeback, async (handle) => {
      await inReview(handle);
      expect(statesOf(fakes, chargeback, branches)).toEqual(['acted', undefined, undefined]);
      await review(handle, 'approve', { subject: 'rita', note: 'The bank has shown it.' });
    });
    expect(said).toMatchObject([
      {
        refundId: chargeback.refundId,
        decision: 'approve',
        by: 'rita',
        note: 'The bank has shown it.',
      },
    ]);
    expect(result.outcome).toBe('completed');
  });

  it('is not booked when that one rejects it', async () => {
    const fakes = fakeParticipants({ 'accounts.recordRefundReview': refuses('ReviewRejected') });
    const chargeback = chargebackAbove(1_249);
    const result = await runs.run(fakes, chargeback, async (handle) => {
      await inReview(handle);
      await review(handle, 'reject');
    });
    expect(result).toMatchObject({
      outcome: 'compensated',
      reason: { code: 'review_rejected', step: 'review' },
    });
    expect(statesOf(fakes, chargeback, branches)).toEqual(['undone', 'refused', undefined]);
  });

  it('is given up where nobody decides in time, and says so', async () => {
    const chargeback = chargebackAbove(1_249, 300);
    const result = await runs.run(fakeParticipants({}), chargeback);
    expect(result).toMatchObject({
      outcome: 'compensated',
      reason: { code: 'review_expired', step: 'review' },
    });
  });
});

it('A chargeback of a currency for which the policy has no limit waits for a person', async () => {
  const policy = { above: { CHF: 1_000_000 }, withinMs: 300 };
  const result = await runs.run(
    fakeParticipants({}),
    aRefund({ kind: 'chargeback', review: policy }), // The refund is in euros.
  );
  expect(result).toMatchObject({ reason: { code: 'review_expired', step: 'review' } });
});

it('A chargeback that the policy lets pass waits for nobody', async () => {
  const fakes = fakeParticipants({});
  const { outcome } = await runs.run(fakes, chargebackAbove(1_250));
  expect(outcome).toBe('completed');
  expect(fakes.calls).not.toContain('accounts.recordRefundReview');
});
