import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { describe, expect, it } from '@jest/globals';

import { endingBytesMax } from '../../../contracts/engine/runs';
import type { TransactionInput } from '../../../contracts/engine/transaction';
import { endingOf } from '../../../workflows/kernel/ending';
import {
  carriedOf,
  continuedRun,
  countCall,
  createRun,
  note,
  stepViewsOf,
  type Carried,
  type Run,
  type StepRecord,
} from '../../../workflows/kernel/run';
import {
  failureOf,
  failureOfVerdict,
  refusalOf,
  refusedBranchOf,
} from '../../../workflows/kernel/step-failure';
import { standingClock } from '../../support/clocks';

const input: TransactionInput = {
  gid: 'payment:acme.P-1',
  tenant: 'acme',
  flow: 'payment',
  deadlineAt: 120_000,
  undoBudgetMs: 60_000,
};

const aStep = (name: string, more: Partial<StepRecord> = {}): StepRecord => ({
  name,
  kind: 'compensable',
  key: `payment:acme.P-1/${name}`,
  atRisk: [],
  startedAt: 1_000,
  effect: `payment:acme.P-1/${name}`,
  state: 'done',
  endedAt: 2_000,
  fence: 'first',
  failure: null,
  detail: null,
  text: null,
  wasCalled: true,
  calls: {},
  parking: null,
  undo: undefined,
  interrupt: undefined,
  ...more,
});

function aRun(...steps: readonly StepRecord[]): Run {
  const run = createRun(input, { clock: standingClock(3_000), wasReset: false });
  for (const step of steps) run.steps.set(step.name, step);
  run.state = 'completed';
  return run;
}

type Told = Readonly<Record<'steps' | 'notes', readonly object[] | undefined>> &
  Readonly<Record<'stepsLeftOut' | 'notesLeftOut', number>>;
const told = (run: Run) => JSON.parse(endingOf(run, 4_000)) as Told;

describe('an ending', () => {
  it('keeps how many attempts a step took, where one was not enough', () => {
    const [first, third] = [aStep('openPayment'), aStep('authorise')];
    countCall(first, 'accounts.openPayment', { attempts: 1 });
    countCall(third, 'accounts.authorisePayment', { attempts: 3 });
    const [one, other] = told(aRun(first, third)).steps ?? [];
    expect(one).not.toHaveProperty('calls');
    expect(other).toMatchObject({
      calls: [{ activity: 'accounts.authorisePayment', attempts: 3 }],
    });
  });

  it('keeps how what succeeded later has failed last: its type, and not what a driver said', () => {
    const step = aStep('authorise');
    const lost = { lastFailure: 'unknown', text: 'connect ECONNREFUSED 10.0.0.7:3306' };
    countCall(step, 'accounts.authorisePayment', { attempts: 2, ...lost });
    countCall(step, 'accounts.authorisePayment', { attempts: 1 });
    const run = aRun(step);
    expect(stepViewsOf(run)[0]?.calls).toMatchObject([{ attempts: 3, ...lost }]);
    expect(told(run).steps).toMatchObject([{ calls: [{ attempts: 3, lastFailure: 'unknown' }] }]);
    expect(endingOf(run, 4_000)).not.toContain('ECONNREFUSED');
  });

  it('keeps that a step waited for a person, and not what a driver said of it', () => {
    const parking = {
      ...({
        times: 2,
        reason: 'finish_failed',
        failure: 'IdempotencyConflict',
        detail: 'Not the same.',
      } as const),
      lastDecision: { decision: 'retry', by: 'olga', at: 1_700 } as const,
    };
    const text = 'Deadlock found on 10.0.0.7:3306';
    const run = aRun(
      aStep('authorise', { parking: { ...parking, firstAt: 1_200, lastAt: 1_600, text } }),
    );
    expect(stepViewsOf(run)[0]?.parking).toMatchObject({ ...parking, text });
    expect(told(run).steps).toMatchObject([
      {
        parking: {
          ...parking,
          firstAt: '1970-01-01T00:00:01.200Z',
          lastAt: '1970-01-01T00:00:01.600Z',
          lastDecision: { decision: 'retry', by: 'olga', at: '1970-01-01T00:00:01.700Z' },
        },
      },
    ]);
    expect(endingOf(run, 4_000)).not.toContain('Deadlock');
  });

  it('does not count what nobody has answered', () => {
    const step = aStep('authorise');
    countCall(step, 'accounts.authorisePayment', { attempts: null });
    countCall(step, 'accounts.authorisePayment', { attempts: 2 });
    expect(stepViewsOf(aRun(step))[0]?.calls).toEqual([
      { activity: 'accounts.authorisePayment', attempts: null },
    ]);
  });

  it('tells nothing of a review that nobody had to make, undone or not', () => {
    const review = aStep('review', { wasCalled: false, fence: null });
    expect(told(aRun(aStep('openPayment'), review))['steps']).toHaveLength(1);
    const undone = aStep('review', { wasCalled: false, fence: 'empty', state: 'undone' });
    expect(told(aRun(aStep('openPayment'), undone))['steps']).toHaveLength(1);
  });

  it('tells of a review that nobody made in time', () => {
    const expired = { failure: 'ReviewExpired', fence: 'empty', state: 'undone' } as const;
    const review = aStep('review', { wasCalled: false, ...expired });
    expect(told(aRun(review))['steps']).toMatchObject([{ name: 'review' }]);
  });

  it('keeps what happened to the run', () => {
    const run = aRun();
    note(run, 'rita reviewed it and said approve');
    expect(told(run)['notes']).toEqual([
      { at: '1970-01-01T00:00:03.000Z', text: 'rita reviewed it and said approve' },
    ]);
  });

  it('has room for the longest story: the first and the last of it, and how much is left out', () => {
    const pages = Array.from({ length: 1_002 }, (_, page) =>
      aStep(`claim-${page}`, { detail: '\u0001'.repeat(300) }),
    );
    const run = aRun(...pages);
    for (let at = 0; at < 2_000; at += 1) {
      note(run, `${at} ${'\u{1F4B6}'.repeat(400)}`);
    }
    const ending = endingOf(run, 4_000);
    expect(Buffer.byteLength(ending)).toBeLessThanOrEqual(endingBytesMax);
    const { steps = [], notes = [], stepsLeftOut, notesLeftOut } = told(run);
    expect(steps[0]).toMatchObject({ name: 'claim-0' });
    expect(steps.at(-1)).toMatchObject({ name: 'claim-1001' });
    expect(stepsLeftOut).toBe(1_002 - steps.length);
    expect(notesLeftOut).toBe(2_000 - notes.length);
  });
});

it('the attempts of a step go into the next run of a long transaction', () => {
  const step = aStep('authorise');
  countCall(step, 'accounts.authorisePayment', { attempts: 2 });
  const carried = JSON.parse(JSON.stringify(carriedOf(aRun(step)))) as Carried; // As Temporal carries it.
  const next = continuedRun(input, carried, standingClock(5_000));
  const [again] = [...next.steps.values()];
  if (again) countCall(again, 'accounts.authorisePayment', { attempts: 1 });
  expect(stepViewsOf(next)[0]?.calls).toEqual([
    { activity: 'accounts.authorisePayment', attempts: 3 },
  ]);
});

it('of the notes of a long transaction the first and the last go into its next run, and how many do not', () => {
  const run = aRun();
  for (let at = 0; at < 1_000; at += 1) note(run, `Note ${at}.`);
  const next = continuedRun(input, carriedOf(run), standingClock(5_000));
  note(next, 'The last one.');
  const { notes = [], notesLeftOut } = told(next);
  expect(notes[0]).toMatchObject({ text: 'Note 0.' });
  expect(notes.at(-1)).toMatchObject({ text: 'The last one.' });
  expect(notesLeftOut).toBe(1_001 - notes.length);
});

describe('a failure', () => {
  const wrapped = (cause: Error) =>
    new ActivityFailure(
      'Activity task failed',
      'accounts.holdFunds',
      '1',
      'TIMEOUT',
      undefined,
      cause,
    );

  it('of a driver is a sentence of ours to everybody, and its text to operators', () => {
    const error = wrapped(new ApplicationFailure('connect ECONNREFUSED 10.0.0.7:3306', 'Error'));
    expect(failureOf(error)).toEqual({
      type: 'unknown',
      detail: 'It is not known whether it took effect: no answer came.',
      text: 'connect ECONNREFUSED 10.0.0.7:3306',
    });
  });

  it('of the list is told in its own sentence', () => {
    const stale = ApplicationFailure.nonRetryable('A-1: token 3', 'LockLost');
    expect(failureOf(stale)).toEqual({ type: 'LockLost', detail: 'A-1: token 3', text: null });
  });

  const hold = { type: 'hotel.holdRoom', refusals: ['NoRoomLeft'] };
  const noRoom = { branch: 'room', failure: 'NoRoomLeft', detail: 'H-1: 2 asked, 1 left' };

  it('of a verdict is a refusal where its operation declares it, whatever is wrapped around it', () => {
    const refusal = failureOfVerdict(hold, noRoom);
    const kept = { type: 'NoRoomLeft', detail: 'H-1: 2 asked, 1 left', text: null };
    expect([refusalOf(refusal), failureOf(refusal)]).toEqual(['NoRoomLeft', kept]);
    const around = new ApplicationFailure('A page failed.', 'Page', true, [], refusal);
    expect([refusalOf(around), failureOf(around)]).toEqual(['NoRoomLeft', kept]);
    expect([refusedBranchOf(refusal), refusedBranchOf(around)]).toEqual(['room', 'room']);
  });

  it('of a verdict that its operation does not declare is an invariant that is broken', () => {
    const strange = failureOfVerdict({ type: 'hotel.pay', refusals: ['NoCredit'] }, noRoom);
    expect(refusalOf(strange)).toBeUndefined();
    expect(failureOf(strange)).toEqual({
      type: 'InvariantBroken',
      detail: 'hotel.pay refused with NoRoomLeft, which it does not declare.',
      text: 'H-1: 2 asked, 1 left',
    });
  });

  it('that an activity throws is no refusal, whatever it says of itself: only a verdict is recorded', () => {
    const thrown = [
      ApplicationFailure.nonRetryable('None left.', 'NoRoomLeft'),
      ApplicationFailure.nonRetryable('None left.', 'NoRoomLeft', { refusedBy: 'hotel.holdRoom' }),
    ];
    for (const error of thrown.map(wrapped)) {
      expect([refusalOf(error), refusedBranchOf(error)]).toEqual([undefined, undefined]);
      expect(failureOf(error)).toEqual({
        type: 'unknown',
        detail: 'It is not known whether it took effect: no answer came.',
        text: 'None left.',
      });
    }
    expect(refusalOf(ApplicationFailure.nonRetryable('x', 'NoRoomLeft'))).toBeUndefined();
  });

  it('that an activity throws under a name of the list is told to operators alone', () => {
    const said = ApplicationFailure.nonRetryable('A-1 of Eve owes 5 EUR.', 'InvariantBroken');
    expect(failureOf(wrapped(said))).toEqual({
      type: 'InvariantBroken',
      detail: 'It is not known whether it took effect: no answer came.',
      text: 'A-1 of Eve owes 5 EUR.',
    });
  });

  it('of the list keeps what the database said for operators', () => {
    const text = 'Error: Check constraint accounts_chk_2 is violated.';
    const broken = ApplicationFailure.nonRetryable('Not taken.', 'InvariantBroken', { text });
    expect(failureOf(broken)).toEqual({ type: 'InvariantBroken', detail: 'Not taken.', text });
  });
});
