import { describe, expect, it } from '@jest/globals';

import { defineApplication } from '../../../../contracts/engine/application';
import {
  act,
  confirm,
  defineParticipant,
  seal,
  undo,
} from '../../../../contracts/engine/definition';
import { defineFlow } from '../../../../contracts/engine/flow-definition';
import { compensable, pivot, retired, tcc } from '../../../../contracts/engine/steps';
import type { TransactionInput } from '../../../../contracts/engine/transaction';
import { faultPoints } from '../../../../runtime/faults/points';
import { casesOf, decidingAct, outcomeOf } from '../../../../testing/projects/crash-points';

const hotel = defineParticipant('hotel', {
  hold: act({ reserves: true }),
  take: confirm(),
  free: undo(),
  holdOld: act({ reserves: true }),
  freeOld: undo(),
});
const bank = defineParticipant('bank', { pay: act({}), sealPay: seal() });

const room = tcc({ try: hotel.hold, confirm: hotel.take, cancel: hotel.free });
const stay = defineFlow<TransactionInput>()({
  ...{ name: 'stay', workflow: 'stay' },
  steps: {
    room,
    old: retired(compensable(hotel.holdOld, { undo: hotel.freeOld })),
    pay: pivot(bank.pay, { seal: bank.sealPay }),
  },
});
const wait = defineFlow<TransactionInput>()({
  ...{ name: 'wait', workflow: 'wait' },
  steps: { room },
});
const application = defineApplication({ participants: [hotel, bank], flows: [stay, wait] });

describe('the crash points of a project', () => {
  it('are two at each point of each operation that a run may begin, and none of a retired step', () => {
    const cases = casesOf(application, 'stay');
    const activities = [...new Set(cases.map(({ activity }) => activity))].sort();
    expect(activities).toEqual([
      'bank.pay',
      'bank.sealPay',
      'hotel.free',
      'hotel.hold',
      'hotel.take',
    ]);
    expect(cases).toHaveLength(activities.length * faultPoints.length * 2);
  });

  it('of an undo and of a seal are met where the decision has failed', () => {
    const undone = casesOf(application, 'stay').filter(({ isUndone }) => isUndone);
    expect(new Set(undone.map(({ activity }) => activity))).toEqual(
      new Set(['hotel.free', 'bank.sealPay']),
    );
    expect(decidingAct(application, 'stay')).toBe('bank.pay');
    expect(decidingAct(application, 'wait')).toBe('accord.decide');
  });

  const seen = { ending: 'completed', isHit: true };

  it.each([
    ['proven', false, seen],
    ['proven', true, { ...seen, ending: 'compensated' }],
    ['not proven', false, { ...seen, isHit: false }],
    ['violated', false, { ...seen, ending: 'compensated' }],
    ['violated', false, { ...seen, ending: 'open' }],
    ['violated', true, { ...seen, ending: 'open' }],
    ['not proven', true, seen], // The planted failure was lost.
  ] as const)('are %s; undone: %j; seen: %j', (outcome, isUndone, found) => {
    expect(outcomeOf(isUndone, found)).toBe(outcome);
  });
});
