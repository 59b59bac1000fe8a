import { shop } from '../../contracts/shop';
import { describe, expect, it } from '@jest/globals';

import { activityTypeOf } from '../../contracts/engine/definition';
import { aFailback } from './support/builders';
import type { FakeParticipants } from './support/fake-participants';
import { fails, fakeParticipants, first, isAway, refuses } from './support/fake-participants';
import { lostAt } from './support/lost-runs';
import { cancel, decide, gate, parkedAt, refusalOf } from './support/steering';
import { transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);

const steps = shop.stepsOfFlow('failback').map(({ name, participant, act }) => ({
  name,
  act: activityTypeOf(participant, act),
}));
const acts = steps.map(({ act }) => act);

const callsOf = ({ calls }: FakeParticipants): readonly string[] => [
  ...new Set(calls.filter((call) => call.startsWith('regions.'))),
];
const failsForGood = fails('PostconditionFailed', 'It is not so.');

describe('a failback', () => {
  it('keeps the evidence before it overwrites the region, and lets it acknowledge when it follows', async () => {
    const fakes = fakeParticipants();
    const { outcome } = await runs.run(fakes, aFailback());
    expect(outcome).toBe('completed');
    expect(callsOf(fakes)).toEqual([
      'regions.beginRejoin',
      'regions.exportErrant',
      'regions.rebuildRegion',
      'regions.followActive',
      'regions.acknowledge',
    ]);
    expect(callsOf(fakes)).toEqual(acts); // As it is planned, and shown to the outside.
  });

  it('that cannot begin ends there, and can begin no more', async () => {
    const fakes = fakeParticipants({ 'regions.beginRejoin': failsForGood });
    const input = aFailback();
    expect(await runs.run(fakes, input)).toMatchObject({
      outcome: 'compensated',
      reason: { type: 'PostconditionFailed', step: 'beginRejoin' },
    });
    expect(callsOf(fakes)).toEqual(['regions.beginRejoin', 'regions.sealRejoin']);
    expect(fakes.stateOf(input.gid, 'beginRejoin')).toBe('empty');
  });

  it.each(steps.slice(1))(
    'that fails for good at $name parks, comes no further, and goes on forward when a person has it tried again',
    async ({ name, act }) => {
      const fakes = fakeParticipants({ [act]: first(1, failsForGood) });
      const result = await runs.run(fakes, aFailback(), async (handle) => {
        expect((await parkedAt(handle, name)).parked).toMatchObject([
          { reason: 'finish_failed', detail: 'It is not so.' },
        ]);
        expect(callsOf(fakes)).toEqual(acts.slice(0, acts.indexOf(act) + 1));
        await decide(handle, name, 'retry', false);
      });
      expect(result.outcome).toBe('completed');
      expect(callsOf(fakes)).toEqual(acts);
    },
  );

  it.each(steps)('that meets an outage at $name waits for its end', async ({ act }) => {
    const fakes = fakeParticipants({ [act]: first(4, isAway) });
    expect((await runs.run(fakes, aFailback())).outcome).toBe('completed');
    expect(callsOf(fakes)).toEqual(acts);
  });

  it('that the hub does not let begin ends there, and nobody has to settle it', async () => {
    const fakes = fakeParticipants({
      'regions.beginRejoin': refuses('ParticipantRefused', 'Region a is active.'),
    });
    const result = await runs.run(fakes, aFailback());
    expect(result).toMatchObject({
      outcome: 'compensated',
      reason: { type: 'ParticipantRefused', step: 'beginRejoin', detail: 'Region a is active.' },
    });
    expect(callsOf(fakes)).toEqual(['regions.beginRejoin']);
  });

  it('that has begun is not cancelled', async () => {
    const waits = gate();
    const fakes = fakeParticipants({ 'regions.exportErrant': waits.answer });
    const result = await runs.run(fakes, aFailback(), async (handle) => {
      await waits.reached;
      expect(await refusalOf(cancel(handle))).toBe('PastPivot');
      waits.open();
    });
    expect(result.outcome).toBe('completed');
  });

  it.each(acts.slice(1))(
    'whose run is lost at %s goes forward when it is started again with its time over, also where it is cancelled in Temporal',
    async (act) => {
      const { fakes, result } = await lostAt(act, runs, aFailback(), {
        then: (again) => again.cancel(),
      });
      expect(result.outcome).toBe('completed');
      expect(callsOf(fakes).filter((call) => call !== 'regions.sealRejoin')).toEqual(acts);
    },
  );
});
