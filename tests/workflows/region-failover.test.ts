import { shop } from '../../contracts/shop';
import { describe, expect, it } from '@jest/globals';

import { activityTypeOf } from '../../contracts/engine/definition';
import { timelineQuery } from '../../contracts/engine/transaction';
import { aFailover, littleTime } from './support/builders';
import type { FakeParticipants } from './support/fake-participants';
import {
  fails,
  fakeParticipants,
  first,
  isAway,
  losesAnswer,
  losesAnswerUntilSealed,
  refuses,
} from './support/fake-participants';
import { lostAt } from './support/lost-runs';
import { called, cancel, decide, gate, parkedAt, refusalOf } from './support/steering';
import { statesOf, transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);

const steps = shop.stepsOfFlow('failover').map(({ name, kind, participant, act, undo }) => ({
  name,
  kind,
  act: activityTypeOf(participant, act),
  undo: undo && activityTypeOf(participant, undo),
}));
const acts = steps.map(({ act }) => act);
const before = steps.filter(({ kind }) => kind === 'compensable');
const finishes = steps.filter(({ kind }) => kind === 'retriable');
const undos = steps.flatMap(({ undo }) => undo ?? []);

/** What was done to the regions, each call once: a retry is no other order. */
const orderOf = ({ calls }: FakeParticipants): readonly string[] => [
  ...new Set(calls.filter((call) => call.startsWith('regions.'))),
];

/** Where it was asked whether it is decided: that alone changes nothing. */
const withoutSeal = (fakes: FakeParticipants): readonly string[] =>
  orderOf(fakes).filter((call) => call !== 'regions.sealSwitch');

const timesOf = ({ calls }: FakeParticipants, activity: string): number =>
  calls.filter((call) => call === activity).length;

/** Looked at three times by its activity already: the kernel is told once. */
const failsForGood = fails('PostconditionFailed', 'It is not so.');

describe('a failover', () => {
  it('fences the old region before it drains, advances the epoch before it promotes, and leads nobody there before that', async () => {
    const fakes = fakeParticipants();
    const { outcome } = await runs.run(fakes, aFailover());
    expect(outcome).toBe('completed');
    expect(orderOf(fakes)).toEqual([
      'regions.beginSwitch',
      'regions.closeRoutes',
      'regions.fenceRegion',
      'regions.drainRegion',
      'regions.measureLoss',
      'regions.advanceEpoch',
      'regions.promoteRegion',
      'regions.promoteRedis',
      'regions.openRoutes',
      'regions.republish',
      'regions.endSwitch',
    ]);
    expect(orderOf(fakes)).toEqual(acts); // As it is planned, and shown to the outside.
  });

  it('tells every step the epoch that it was asked in, and what a person has allowed', async () => {
    const asked: Record<string, unknown> = {};
    const fakes = fakeParticipants(
      Object.fromEntries(
        acts.map((act) => [act, ({ request, proceed }) => ((asked[act] = request), proceed())]),
      ),
    );
    await runs.run(
      fakes,
      aFailover({ epoch: 7, kind: 'unplanned', lossAllowedMs: 300, mayBeginAlone: true }),
    );
    const move = { cluster: 'main', from: 'a', to: 'b', kind: 'unplanned', epoch: 7 };
    for (const act of acts) expect(asked[act]).toMatchObject(move);
    expect(asked['regions.beginSwitch']).toMatchObject({ mayBeginAlone: true });
    expect(asked['regions.drainRegion']).toMatchObject({ seconds: 8 });
    expect(asked['regions.measureLoss']).toMatchObject({ allowedMs: 300 });
  });

  it('that the hub does not let begin ends there, and touches neither region nor router', async () => {
    const fakes = fakeParticipants({
      'regions.beginSwitch': refuses('ParticipantRefused', 'Another one switches already.'),
    });
    const result = await runs.run(fakes, aFailover());
    expect(result).toMatchObject({
      outcome: 'compensated',
      reason: { type: 'ParticipantRefused', step: 'beginSwitch' },
    });
    expect(orderOf(fakes)).toEqual(['regions.beginSwitch']);
  });

  it.each(before)(
    'that fails for good at $name comes no further, takes everything back, last first, and gives the row back last',
    async ({ name, act }) => {
      const fakes = fakeParticipants({ [act]: failsForGood });
      const input = aFailover();
      const result = await runs.run(fakes, input);
      expect(result).toMatchObject({
        outcome: 'compensated',
        reason: { type: 'PostconditionFailed', step: name, detail: 'It is not so.' },
      });
      const done = acts.slice(0, acts.indexOf(act) + 1);
      // Also what this life never came to: another one may have. Whose the row is, an undo has to see for itself.
      expect(orderOf(fakes)).toEqual([...done, 'regions.sealSwitch', ...undos.toReversed()]);
      expect(orderOf(fakes).at(-1)).toBe('regions.abortSwitch');
      const branches = before.filter(({ undo }) => undo !== null);
      expect(
        statesOf(
          fakes,
          input,
          branches.map((step) => step.name),
        ),
      ).not.toContain('acted');
    },
  );

  it('whose fence has an unknown outcome is cancelled by lifting the fence, whether it took effect or not', async () => {
    const fakes = fakeParticipants({ 'regions.fenceRegion': losesAnswer });
    const input = aFailover();
    const result = await runs.run(fakes, input, async (handle) => {
      await called(fakes, 'regions.fenceRegion', 2);
      await cancel(handle);
    });
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'Cancelled' } });
    expect(fakes.stateOf(input.gid, 'fenceRegion')).toBe('undone');
    expect(fakes.calls).not.toContain('regions.promoteRegion');
  });

  it('that cannot lift the fence parks, and is over when a person has had it tried again', async () => {
    const fakes = fakeParticipants({
      'regions.drainRegion': failsForGood,
      'regions.unfenceRegion': first(1, failsForGood),
    });
    const input = aFailover();
    const result = await runs.run(fakes, input, async (handle) => {
      expect((await parkedAt(handle, 'fenceRegion')).parked).toMatchObject([
        { reason: 'undo_failed', decisions: ['retry', 'done', 'skip'] },
      ]);
      await decide(handle, 'fenceRegion', 'retry', false);
    });
    expect(result.outcome).toBe('compensated');
    expect(fakes.stateOf(input.gid, 'fenceRegion')).toBe('undone');
  });
});

describe('a promotion', () => {
  it('that fails for good parks, takes nothing back, and offers nothing but to try again', async () => {
    const fakes = fakeParticipants({ 'regions.promoteRegion': first(2, failsForGood) });
    const result = await runs.run(fakes, aFailover(), async (handle) => {
      // the epoch is advanced: nobody is asked whether to undo it.
      expect(await parkedAt(handle, 'promoteRegion')).toMatchObject({
        pivotPassed: true,
        parked: [{ reason: 'forward_failed', detail: 'It is not so.', decisions: ['retry'] }],
      });
      expect(fakes.calls).not.toContain('regions.promoteRedis');
      expect(await refusalOf(decide(handle, 'promoteRegion', 'done'))).toBe('BadDecision');
      await decide(handle, 'promoteRegion', 'retry', false);
    });
    expect(result.outcome).toBe('completed');
    expect(withoutSeal(fakes)).toEqual(acts);
  });

  it('that fails again parks again: only what it is answered lets it go on', async () => {
    const fakes = fakeParticipants({ 'regions.promoteRegion': first(3, failsForGood) });
    await runs.run(fakes, aFailover(), async (handle) => {
      await parkedAt(handle, 'promoteRegion');
      await decide(handle, 'promoteRegion', 'retry', false);
      await called(fakes, 'regions.promoteRegion', 3);
      await parkedAt(handle, 'promoteRegion');
      expect(fakes.calls).not.toContain('regions.promoteRedis');
      await decide(handle, 'promoteRegion', 'retry', false);
    });
    expect(fakes.endings).toMatchObject([{ outcome: 'completed' }]);
    expect(withoutSeal(fakes)).toEqual(acts);
  });

  it('is repeated while its outcome is unknown, is sealed once its time is over, and is never undone', async () => {
    const fakes = fakeParticipants({ 'regions.promoteRegion': losesAnswerUntilSealed });
    expect((await runs.run(fakes, aFailover(littleTime()))).outcome).toBe('completed');
    expect(timesOf(fakes, 'regions.sealSwitch')).toBeGreaterThan(0);
    expect(timesOf(fakes, 'regions.promoteRegion')).toBeGreaterThan(2);
    expect(withoutSeal(fakes)).toEqual(acts);
  });

  it('that is under way is not cancelled: the failover answers so once it is known', async () => {
    const waits = gate();
    const fakes = fakeParticipants({ 'regions.promoteRegion': waits.answer });
    const result = await runs.run(fakes, aFailover(), async (handle) => {
      await waits.reached;
      const refused = refusalOf(cancel(handle));
      await handle.cancel();
      waits.open();
      expect(await refused).toBe('PastPivot');
    });
    expect(result.outcome).toBe('completed');
    expect(orderOf(fakes)).toEqual(acts);
  });
});

describe('behind the promotion', () => {
  it.each(finishes)(
    '$name that fails for good parks, undoes nothing, and goes on forward when a person has it tried again',
    async ({ name, act }) => {
      const fakes = fakeParticipants({ [act]: first(1, failsForGood) });
      const result = await runs.run(fakes, aFailover(), async (handle) => {
        expect(await parkedAt(handle, name)).toMatchObject({
          pivotPassed: true,
          parked: [{ reason: 'finish_failed', detail: 'It is not so.' }],
        });
        expect(await refusalOf(cancel(handle))).toBe('PastPivot');
        expect(orderOf(fakes)).toEqual(acts.slice(0, acts.indexOf(act) + 1));
        await decide(handle, name, 'retry', false);
      });
      expect(result.outcome).toBe('completed');
      expect(orderOf(fakes)).toEqual(acts);
    },
  );

  it.each(finishes)('$name is tried for as long as its server is away', async ({ act }) => {
    const fakes = fakeParticipants({ [act]: first(4, isAway) });
    const input = aFailover();
    expect((await runs.run(fakes, input)).outcome).toBe('completed');
    expect(timesOf(fakes, act)).toBe(5);
    expect(orderOf(fakes)).toEqual(acts);
    expect((await runs.newest(input).query(timelineQuery)).parked).toEqual([]);
  });
});

describe('a run that was lost', () => {
  const untilBurnt = acts.indexOf('regions.advanceEpoch') + 1;

  it.each(acts.slice(untilBurnt))(
    'behind the advanced epoch, at %s, takes nothing back when it is started again with its time over: it goes forward',
    async (act) => {
      const { fakes, result } = await lostAt(act, runs, aFailover());
      expect(result.outcome).toBe('completed');
      expect(fakes.calls.filter((call) => undos.includes(call))).toEqual([]);
      expect(withoutSeal(fakes)).toEqual(acts);
    },
  );

  it.each(acts.slice(untilBurnt))(
    'behind the advanced epoch, at %s, takes nothing back when it is reset to its first task and cancelled',
    async (act) => {
      const waits = gate();
      const fakes = fakeParticipants({ [act]: waits.answer });
      const input = aFailover();
      const result = await runs.run(fakes, input, async (handle) => {
        await waits.reached;
        fakes.on(act, ({ proceed }) => proceed());
        fakes.on('regions.beginSwitch', isAway); // So that the cancel meets a life that knows of nothing.
        await runs.reset(handle);
        waits.open();
        const refused = refusalOf(cancel(runs.newest(input)));
        await called(fakes, 'regions.sealSwitch');
        fakes.on('regions.beginSwitch', ({ proceed }) => proceed());
        expect(await refused).toBe('PastPivot');
      });
      expect(result.outcome).toBe('completed');
      expect(fakes.calls.filter((call) => undos.includes(call))).toEqual([]);
    },
  );

  it('when all was done but its ending comes to the same ending', async () => {
    const { fakes } = await lostAt('accord.endRun', runs, aFailover());
    expect(fakes.endings).toMatchObject([{ outcome: 'completed' }]);
    expect(fakes.calls.filter((call) => undos.includes(call))).toEqual([]);
  });

  it.each(acts.slice(0, untilBurnt - 1))(
    'before the epoch was advanced, at %s, is taken back when it is started again with its time over, and never advances it',
    async (act) => {
      const input = aFailover();
      const { fakes, result } = await lostAt(act, runs, input, { isLate: true });
      expect(result).toMatchObject({
        outcome: 'compensated',
        reason: { type: 'DeadlineExceeded' },
      });
      expect(fakes.calls.filter((call) => undos.includes(call))).toEqual(undos.toReversed());
      expect(fakes.stateOf(input.gid, 'advanceEpoch')).toBe('empty');
    },
  );
});
