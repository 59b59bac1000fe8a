import { describe, expect, it } from '@jest/globals';

import { ruleOfDecision, thresholdsSchema } from '../../api/approvals/two-persons';
import type { PaymentInput } from '../../contracts/participants/payments';
import { parkTransactionUpdate, timelineQuery } from '../../contracts/engine/transaction';
import { eventually } from '../support/eventually';
import { aPayment, aRefund, littleTime } from './support/builders';
import type { Answer } from './support/fake-participants';
import {
  fails,
  fakeParticipants,
  first,
  isAway,
  isOdd,
  refuses,
} from './support/fake-participants';
import {
  actor,
  called,
  cancel,
  decide,
  gate,
  inReview,
  parkedAt,
  refusalOf,
  review,
} from './support/steering';
import { statesOf, transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);

const needsReview: Answer = ({ proceed }) =>
  proceed({ decision: 'review', score: 60, reasons: [] });

/** A payment that a person must decide on. */
function reviewed(answers: Readonly<Record<string, Answer>> = {}, overrides: Overrides = {}) {
  const fakes = fakeParticipants({ 'accounts.assessRisk': needsReview, ...answers });
  return { fakes, payment: aPayment(overrides) };
}
type Overrides = Partial<PaymentInput>;

const branches = ['openPayment', 'assessRisk', 'review', 'authorise', 'transferFunds'];

describe('a payment that needs no review', () => {
  it('tells once that it is authorised, before the money moves', async () => {
    const waits = gate();
    const fakes = fakeParticipants({ 'accounts.captureFunds': waits.answer });
    await runs.run(fakes, aPayment(), async () => {
      await waits.reached;
      await eventually(() => fakes.moves.length > 0);
      expect(fakes.moves).toMatchObject([{ to: 'running', early: 'authorised' }]);
      expect(fakes.moves[0]).not.toHaveProperty('deadlineAt');
      waits.open();
    });
    expect(fakes.moves.map(({ early }) => early)).toEqual(['authorised', 'authorised']);
    expect(fakes.endings).toMatchObject([{ outcome: 'completed', early: 'authorised' }]);
    expect(fakes.calls).not.toContain('accounts.recordReview');
  });

  it.each([
    ['it is refused', { 'accounts.authorisePayment': refuses('RiskRejected') }],
    ['it cannot be opened', { 'accounts.openPayment': refuses('AccountUnavailable') }],
  ])('tells that it is declined where %s', async (_where, answers) => {
    const fakes = fakeParticipants(answers);
    await runs.run(fakes, aPayment());
    expect(fakes.moves).toMatchObject([{ to: 'undoing', early: 'declined' }]);
    expect(fakes.endings).toMatchObject([{ outcome: 'compensated', early: 'declined' }]);
  });

  it('tells that it is declined also where it is cancelled', async () => {
    const fakes = fakeParticipants({ 'accounts.assessRisk': isAway });
    await runs.run(fakes, aPayment(), async (handle) => {
      await called(fakes, 'accounts.assessRisk');
      await cancel(handle);
    });
    expect(fakes.endings).toMatchObject([{ outcome: 'compensated', early: 'declined' }]);
  });

  it('stands by what it has told: authorised, also where the money cannot move', async () => {
    const fakes = fakeParticipants({ 'accounts.captureFunds': refuses('AccountUnavailable') });
    await runs.run(fakes, aPayment());
    expect(new Set(fakes.moves.map(({ early }) => early))).toEqual(new Set(['authorised']));
    expect(fakes.endings).toMatchObject([{ outcome: 'compensated', early: 'authorised' }]);
  });
});

describe('a payment in review', () => {
  it('waits for a person, tells so, and completes when the person approves', async () => {
    const { fakes, payment } = reviewed();
    const result = await runs.run(fakes, payment, async (handle) => {
      const timeline = await inReview(handle);
      expect(timeline).toMatchObject({ state: 'running', step: 'review', pivotPassed: false });
      await eventually(() => fakes.moves.length > 0);
      expect(fakes.moves).toMatchObject([{ to: 'running', step: 'review', early: 'review' }]);
      expect(fakes.moves[0]?.deadlineAt).toBe(payment.deadlineAt + payment.reviewMs);
      await review(handle, 'approve', { subject: 'rita', note: 'Known to us.' });
    });
    expect(result.outcome).toBe('completed');
    const timeline = await runs.newest(payment).query(timelineQuery);
    expect(timeline.reviewUntil).toBeNull();
    expect(timeline.notes).toMatchObject([
      { text: 'rita reviewed it and said approve: Known to us.' },
    ]);
    expect(statesOf(fakes, payment, branches)).toEqual([
      'acted',
      'acted',
      'acted',
      'confirmed',
      'acted',
    ]);
    expect(new Set(fakes.moves.map(({ early }) => early))).toEqual(new Set(['review']));
  });

  it('is undone when the person rejects: the authorisation meets the recorded review', async () => {
    const said: unknown[] = [];
    const { fakes, payment } = reviewed({
      'accounts.recordReview': ({ request, proceed }) => {
        said.push(request);
        return proceed();
      },
      'accounts.authorisePayment': refuses('ReviewRejected'),
    });
    const result = await runs.run(fakes, payment, async (handle) => {
      await inReview(handle);
      await review(handle, 'reject', { subject: 'rita' });
    });
    expect(said).toMatchObject([
      { paymentId: payment.paymentId, decision: 'reject', by: 'rita', note: null },
    ]);
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'ReviewRejected' } });
    expect(statesOf(fakes, payment, branches)).not.toContain('acted');
  });

  it('is undone when nobody has decided in time', async () => {
    const { fakes, payment } = reviewed({}, { reviewMs: 300 });
    const result = await runs.run(fakes, payment);
    expect(result).toMatchObject({
      outcome: 'compensated',
      reason: { type: 'ReviewExpired', code: 'review_expired', step: 'review' },
    });
    expect(fakes.calls).not.toContain('accounts.recordReview');
    expect(statesOf(fakes, payment, branches)).not.toContain('acted');
    expect(fakes.stateOf(payment.gid, 'transferFunds')).toBe('empty'); // Sealed before the first undo.
  });

  it.each([
    ['by a person', cancel],
    ['in Temporal', (handle: Parameters<typeof cancel>[0]) => handle.cancel()],
  ])('is undone when it is cancelled %s', async (_how, cancelled) => {
    const { fakes, payment } = reviewed();
    const result = await runs.run(fakes, payment, async (handle) => {
      await inReview(handle);
      await cancelled(handle);
    });
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'Cancelled' } });
    expect(statesOf(fakes, payment, branches)).not.toContain('acted');
  });

  it('takes the first decision only, and none before or after it waits', async () => {
    const records = gate();
    const captures = gate();
    const assesses = gate(needsReview);
    const { fakes, payment } = reviewed({
      'accounts.assessRisk': assesses.answer,
      'accounts.recordReview': records.answer,
      'accounts.captureFunds': captures.answer,
    });
    await runs.run(fakes, payment, async (handle) => {
      await assesses.reached;
      expect(await refusalOf(review(handle, 'approve'))).toBe('NotInReview');
      assesses.open();
      await inReview(handle);
      await review(handle, 'approve');
      await records.reached;
      expect(await refusalOf(review(handle, 'reject'))).toBe('NotInReview');
      records.open();
      await captures.reached;
      expect(await refusalOf(review(handle, 'reject'))).toBe('NotInReview');
      captures.open();
    });
    expect(fakes.endings).toMatchObject([{ outcome: 'completed' }]);
  });

  it('puts its deadline off by the time that the person took, and by no more', async () => {
    const { fakes, payment } = reviewed(
      { 'accounts.authorisePayment': isAway },
      { ...littleTime(), reviewMs: 600_000 },
    );
    const actingEndedAt = payment.deadlineAt - payment.undoBudgetMs;
    const result = await runs.run(fakes, payment, async (handle) => {
      await inReview(handle);
      await eventually(() => Date.now() > actingEndedAt + 500);
      expect((await handle.query(timelineQuery)).state).toBe('running');
      await review(handle, 'approve');
      await called(fakes, 'accounts.authorisePayment');
    });
    expect(result).toMatchObject({ outcome: 'compensated' });
    if (result.outcome !== 'compensated') throw new Error('It was not undone.');
    expect(['StepExhausted', 'DeadlineExceeded']).toContain(result.reason.type);
    expect(statesOf(fakes, payment, branches)).not.toContain('acted');
  });

  it('whose record is lost is undone as any other', async () => {
    const { fakes, payment } = reviewed({ 'accounts.recordReview': isAway });
    await runs.run(fakes, payment, async (handle) => {
      await inReview(handle);
      await review(handle, 'approve');
      await called(fakes, 'accounts.recordReview', 2);
      await cancel(handle);
    });
    expect(fakes.endings).toMatchObject([{ outcome: 'compensated' }]);
    expect(statesOf(fakes, payment, branches)).not.toContain('acted');
  });
});

describe('a payment whose review another life of it has had', () => {
  it('B25 that was reset is given its decision again, asks nobody, and takes no second one', async () => {
    const { fakes, payment } = reviewed();
    const waits = gate();
    await runs.run(fakes, payment, async (handle) => {
      await inReview(handle);
      await review(handle, 'approve');
      await handle.result();
      fakes.on('accounts.authorisePayment', waits.answer);
      await runs.reset(handle);
      await waits.reached;
      expect(await refusalOf(review(runs.newest(payment), 'reject'))).toBe('NotInReview');
      waits.open();
    });
    expect(fakes.endings).toMatchObject([{ outcome: 'completed' }]);
    expect(fakes.calls.filter((call) => call === 'accounts.recordReview')).toHaveLength(2);
  });

  it('goes forward after another life decided otherwise: nothing is recorded, nothing parks', async () => {
    const { fakes, payment } = reviewed();
    tests.cast(payment.gid, fakes);
    const handle = await runs.start(payment);
    const second = await runs.start(payment, `recover-${payment.gid}`);
    await Promise.all([inReview(handle), inReview(second)]);
    await review(handle, 'approve', { subject: 'rita' });
    expect((await handle.result()).outcome).toBe('completed');
    await review(second, 'reject', { subject: 'otto' }); // Its record meets the first one: a conflict.
    expect((await second.result()).outcome).toBe('completed');
    expect((await second.query(timelineQuery)).parked).toEqual([]);
    expect(fakes.endings).toHaveLength(1);
  });

  it('goes forward when nobody decides any more: nobody is asked a second time', async () => {
    const { fakes, payment } = reviewed({}, { reviewMs: 8_000 });
    tests.cast(payment.gid, fakes);
    const handle = await runs.start(payment);
    await inReview(handle);
    await review(handle, 'approve');
    await handle.result();
    const second = await runs.start(payment, `recover-${payment.gid}`);
    expect((await second.result()).outcome).toBe('completed');
    expect(fakes.calls.filter((call) => call === 'accounts.recordReview')).toHaveLength(1);
    expect(fakes.endings).toHaveLength(1);
  });
});

describe('a failure that nobody has foreseen', () => {
  it('after the pivot is tried again and parks nobody', async () => {
    const fakes = fakeParticipants({ 'accounts.completePayment': first(1, isOdd) });
    const result = await runs.run(fakes, aPayment());
    expect(result.outcome).toBe('completed');
    expect(fakes.moves.map(({ to }) => to)).toEqual(['running', 'running']);
  });

  it('in an undo that is stuck can be parked by an operator, between two tries too', async () => {
    const fakes = fakeParticipants({
      'accounts.captureFunds': refuses('AccountUnavailable'),
      'accounts.voidAuthorisation': isOdd,
    });
    const result = await runs.run(fakes, aPayment(), async (handle) => {
      await called(fakes, 'accounts.voidAuthorisation', 2);
      await handle.executeUpdate(parkTransactionUpdate, {
        args: [{ step: 'authorise', actor, note: 'Odd.' }],
      });
      expect((await parkedAt(handle, 'authorise')).parked).toMatchObject([{ reason: 'operator' }]);
      await decide(handle, 'authorise', 'done');
    });
    expect(result.outcome).toBe('compensated');
  });
});

describe('a refund of all that is left', () => {
  it('that parks has at risk what its reservation has set aside, whoever asked for how much', async () => {
    const fakes = fakeParticipants({
      'accounts.captureFunds': refuses('AccountUnavailable'),
      'accounts.cancelRefund': first(1, fails('InvariantBroken')),
    });
    const reserved = { kind: 'hold', currency: 'EUR', minorUnits: 1_250 };
    await runs.run(fakes, aRefund({ amount: null }), async (handle) => {
      const timeline = await parkedAt(handle, 'reserveRefund');
      expect(timeline.atRisk).toEqual([reserved]);
      await eventually(() => fakes.moves.some(({ to }) => to === 'parked'));
      expect(fakes.moves.find(({ to }) => to === 'parked')).toMatchObject({ atRisk: [reserved] });
      await decide(handle, 'reserveRefund', 'retry', false);
    });
    expect(fakes.endings).toMatchObject([{ outcome: 'compensated' }]);
  });

  it('has nothing known at risk where its reservation was never answered, so any sum wants two persons', async () => {
    const fakes = fakeParticipants({
      'accounts.reserveRefund': isAway,
      'accounts.cancelRefund': first(1, fails('InvariantBroken')),
    });
    await runs.run(fakes, aRefund({ amount: null, ...littleTime() }), async (handle) => {
      const { atRisk } = await parkedAt(handle, 'reserveRefund');
      const run = { flow: 'refund', atRisk, requester: ['shop'] } as const;
      const by = { step: 'reserveRefund', decision: 'retry', people: ['alice'] } as const;
      expect(ruleOfDecision(run, by, thresholdsSchema.parse({}))).toBe('amount_at_risk');
      await decide(handle, 'reserveRefund', 'retry', false);
    });
  });
});
