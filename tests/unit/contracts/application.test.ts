import { describe, expect, it } from '@jest/globals';

import {
  application,
  defineApplication,
  installApplication,
} from '../../../contracts/engine/application';
import { act, defineParticipant, undo } from '../../../contracts/engine/definition';
import { defineFlow } from '../../../contracts/engine/flow-definition';
import { compensable } from '../../../contracts/engine/steps';
import type { TransactionInput } from '../../../contracts/engine/transaction';
import { shop } from '../../../contracts/shop';

const hotel = defineParticipant('hotel', { hold: act({ reserves: true }), free: undo() });
const trip = (name = 'trip', workflow = 'trip') =>
  defineFlow<TransactionInput>()({
    ...{ name, workflow },
    steps: { room: compensable(hotel.hold, { undo: hotel.free }) },
  });

describe('an application', () => {
  const parts = { participants: [hotel], flows: [trip()] };

  it('knows what follows from its participants and flows', () => {
    const own = defineApplication(parts);
    expect(own.reserving).toEqual(['hotel']);
    expect(own.fenced).toEqual(['hotel', 'accord']);
    expect(own.workflowOf('trip')).toBe('trip');
    expect(own.plannedStepOf('trip', 'room')).toMatchObject({ act: 'hold', undo: 'free' });
  });

  it.each(['order', 'constructor', 'valueof'])(
    'has no flow %s that it does not declare',
    (flow) => {
      const own = defineApplication(parts);
      expect(own.flows[flow]).toBeUndefined();
      expect(own.stepsOfFlow(flow)).toEqual([]);
      expect(() => own.workflowOf(flow)).toThrow(`This application has no flow ${flow}.`);
    },
  );

  const named = (name: string) => defineParticipant(name, { hold: act() });
  it.each([
    ['two participants of one name', { ...parts, participants: [hotel, hotel] }],
    ['a second accord', { ...parts, participants: [hotel, named('accord')] }],
    ['two flows of one name', { ...parts, flows: [trip(), trip('trip', 'other')] }],
    ['two flows of one workflow', { ...parts, flows: [trip(), trip('other')] }],
    ['a flow of a stranger', { ...parts, participants: [] }],
    ['a participant of the name of a job', { ...parts, participants: [hotel, named('retention')] }],
    ['a workflow of the name of a job', { ...parts, flows: [trip('trip', 'reconcile')] }],
    ['a flow that would move regions', { ...parts, flows: [trip('failover')] }],
  ])('is refused with %s', (_, refused) => {
    expect(() => defineApplication(refused)).toThrow();
  });

  it.each(['', 'Hotel', 'car-rental', 'h`otel', 'x'.repeat(25)])(
    'has no participant named %j',
    (name) => expect(() => named(name)).toThrow('is no name of a participant'),
  );
});

describe('a process', () => {
  it('has the application that was installed, and refuses another one', () => {
    expect(application()).toBe(shop);
    const another = defineApplication({ participants: [hotel], flows: [trip()] });
    expect(() => installApplication(another)).toThrow('installed already');
    expect(application()).toBe(shop);
  });
});
