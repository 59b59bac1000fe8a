import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { FenceVerdict, Keyed, Verb } from '../../../../contracts/engine/verdict';
import type { FenceState } from '../../../../activities/fence/rows';
import type { ActSpec, FollowUpSpec } from '../../../../activities/fence/participant';
import { aKey, fencedAccounts, type FencedAccounts } from '../../../support/fenced-accounts';

type State = FenceState | 'none';
interface Step {
  readonly to: State;
  /** What the caller sees: ok or the failure, and what the fence saw. */
  readonly answer: string;
  readonly fence: FenceVerdict;
}

const step = (to: State, answer: string, fence: FenceVerdict): Step => ({ to, answer, fence });

/** The table of verbs and states, as a plain model: what each delivery must answer, and leave behind. */
const table: Readonly<Record<Verb, Readonly<Record<State, Step>>>> = {
  act: {
    none: step('acted', 'ok', 'first'),
    acted: step('acted', 'ok', 'duplicate'),
    confirmed: step('confirmed', 'ok', 'duplicate'),
    undone: step('undone', 'Fenced', 'fenced'),
    empty: step('empty', 'Fenced', 'fenced'),
    refused: step('refused', 'OutOfStock', 'refused'),
  },
  confirm: {
    none: step('none', 'InvariantBroken', 'broken'),
    acted: step('confirmed', 'ok', 'confirmed'),
    confirmed: step('confirmed', 'ok', 'duplicate'),
    undone: step('undone', 'InvariantBroken', 'broken'),
    empty: step('empty', 'InvariantBroken', 'broken'),
    refused: step('refused', 'InvariantBroken', 'broken'),
  },
  undo: {
    none: step('empty', 'ok', 'empty'),
    acted: step('undone', 'ok', 'undone'),
    confirmed: step('confirmed', 'InvariantBroken', 'broken'),
    undone: step('undone', 'ok', 'duplicate'),
    empty: step('empty', 'ok', 'empty'),
    refused: step('refused', 'ok', 'refused'),
  },
  seal: {
    none: step('empty', 'never', 'empty'),
    acted: step('acted', 'happened', 'duplicate'),
    confirmed: step('confirmed', 'happened', 'confirmed'),
    undone: step('undone', 'never', 'undone'),
    empty: step('empty', 'never', 'empty'),
    refused: step('refused', 'never', 'refused'),
  },
};

/** A business that only counts how often it ran. */
function countingBusiness(isRefusing: boolean) {
  const ran = { act: 0, confirm: 0, undo: 0 };
  const event = { type: 'test.counted', data: {} } as const;
  const act: ActSpec<Keyed, { readonly answer: number }> = {
    activity: 'test.act',
    announces: [event.type],
    reserves: true,
    refusals: ['OutOfStock'],
    refusalsAre: 'recorded',
    content: () => ({}),
    amounts: () => [],
    rows: () => 1,
    effect: (_sql, requests) => {
      if (!isRefusing) ran.act += requests.length;
      return Promise.resolve(
        requests.map(({ key }) =>
          isRefusing
            ? ({ key, ok: false, failure: 'OutOfStock', detail: 'None left.' } as const)
            : ({ key, ok: true, result: { answer: 42 }, event } as const),
        ),
      );
    },
  };
  const followUp = (op: 'confirm' | 'undo'): FollowUpSpec => ({
    activity: `test.${op}`,
    announces: [event.type],
    effect: (_sql, keys) => {
      ran[op] += keys.length;
      return Promise.resolve(new Map(keys.map((key) => [key, event])));
    },
  });
  return { ran, act, confirm: followUp('confirm'), undo: followUp('undo') };
}

describe('the table of verbs and states', () => {
  let bank: FencedAccounts;
  beforeAll(async () => {
    bank = await fencedAccounts();
  });
  afterAll(() => bank.drop());

  const deliver = async (
    verb: Verb,
    request: Keyed,
    business: ReturnType<typeof countingBusiness>,
  ) => {
    const { fence } = bank.participant();
    switch (verb) {
      case 'act':
        return (await fence.act(business.act, [request]))[0];
      case 'confirm':
        return (await fence.confirm(business.confirm, [request]))[0];
      case 'undo':
        return (await fence.undo(business.undo, [request]))[0];
      case 'seal':
        return (await fence.seal('test.seal', [request]))[0];
    }
  };

  const answerOf = (verdict: Awaited<ReturnType<typeof deliver>>): string => {
    if (!verdict) return 'none';
    if (!verdict.ok) return verdict.failure;
    if (verdict.verb !== 'seal') return 'ok';
    return JSON.stringify(verdict.result).includes('true') ? 'happened' : 'never';
  };

  it('holds for every order of deliveries with repeats, refusing or not, and each effect runs once', async () => {
    const deliveries = fc.array(fc.constantFrom<Verb>('act', 'act', 'confirm', 'undo', 'seal'), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(deliveries, fc.boolean(), async (verbs, isRefusing) => {
        const business = countingBusiness(isRefusing);
        const request = { key: aKey('counted'), minEpoch: 0 };
        let state: State = 'none';
        const ran = { act: 0, confirm: 0, undo: 0 };
        for (const verb of verbs) {
          const firstRefusal: boolean = isRefusing && verb === 'act' && state === 'none';
          const expected: Step = firstRefusal ? table.act.refused : table[verb][state];
          if (
            verb !== 'seal' &&
            expected.to !== state &&
            expected.to !== 'empty' &&
            !firstRefusal
          ) {
            ran[verb] += 1;
          }
          const verdict = await deliver(verb, request, business);
          expect({ answer: answerOf(verdict), fence: verdict?.fence }).toEqual({
            answer: expected.answer,
            fence: expected.fence,
          });
          state = expected.to;
          expect((await bank.row(request.key))?.state ?? 'none').toBe(state);
        }
        expect(business.ran).toEqual(ran);
      }),
      { numRuns: 120 },
    );
    expect(await bank.violations()).toEqual([]);
  }, 60_000);

  it('gives the stored answer to an act that comes after its confirm', async () => {
    const business = countingBusiness(false);
    const request = { key: aKey('counted'), minEpoch: 0 };
    await deliver('act', request, business);
    await deliver('confirm', request, business);
    expect(await deliver('act', request, business)).toMatchObject({ result: { answer: 42 } });
  });
});
