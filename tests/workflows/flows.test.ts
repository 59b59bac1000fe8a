import { shop } from '../../contracts/shop';
import type { ShopFlow } from '../../contracts/flows';
import { describe, expect, it } from '@jest/globals';

import { activityTypeOf } from '../../contracts/engine/definition';
import { timelineQuery, type TransactionInput } from '../../contracts/engine/transaction';
import { eventually } from '../support/eventually';
import {
  aCheckout,
  anOrderWithCoupon,
  aPayment,
  aRefund,
  aSettlement,
  aTransfer,
  littleTime,
} from './support/builders';
import type { Answer, FakeParticipants } from './support/fake-participants';
import {
  fails,
  fakeParticipants,
  first,
  isAway,
  losesAnswer,
  losesAnswerUntilSealed,
  refusalDeclaredBy,
  refuses,
} from './support/fake-participants';
import {
  called,
  cancel,
  decide,
  gate,
  parkedAt,
  refusalOf,
  updateAccepted,
} from './support/steering';
import { sidesOf, statesOf, transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);

type Times = Partial<Pick<TransactionInput, 'deadlineAt' | 'undoBudgetMs'>>;
const inputs: Readonly<Record<ShopFlow, (times?: Times) => TransactionInput>> = {
  order: anOrderWithCoupon,
  checkout: aCheckout,
  transfer: aTransfer,
  payment: aPayment,
  refund: aRefund,
  settlement: aSettlement,
};

/** The step of a payment that acts only where a person must decide has tests of its own. */
const isAlwaysTaken = ({ name }: { readonly name: string }) => name !== 'review';

/** A flow as its definition plans it: what is acted until the decision, what decides, and what comes after. */
function plannedOf(flow: ShopFlow) {
  const steps = shop.stepsOfFlow(flow).filter(isAlwaysTaken);
  const planned = steps.map(({ name, kind, participant, act, undo, seal }) => ({
    name,
    kind,
    act: activityTypeOf(participant, act),
    undo: undo && activityTypeOf(participant, undo),
    seal: seal && activityTypeOf(participant, seal),
  }));
  const decision = planned.find(({ kind }) => kind === 'pivot');
  if (!decision) throw new Error(`${flow} has no decision.`);
  return {
    decision,
    tries: planned.filter(({ kind }) => kind === 'compensable'),
    finishes: planned.filter(({ kind }) => kind === 'retriable'),
    /** All that the fence must have on one side. */
    branches: planned.filter(({ kind }) => kind !== 'retriable').map(({ name }) => name),
  };
}

const flows = Object.keys(inputs) as readonly ShopFlow[]; // The keys of a record of flows.
const triesOf = flows.flatMap((flow) =>
  plannedOf(flow).tries.map(({ name, act, undo }) => ({ flow, step: name, act, undo })),
);
const actsOf = [
  ...triesOf.map(({ flow, step, act }) => ({ flow, step, act })),
  ...flows.map((flow) => {
    const { name, act } = plannedOf(flow).decision;
    return { flow, step: name, act };
  }),
];

/** One ending, told last, and nothing mixed: all that was acted stands, or nothing of it. */
function expectEnding(
  fakes: FakeParticipants,
  input: TransactionInput,
  outcome: 'completed' | 'compensated',
): void {
  expect(fakes.endings).toMatchObject([{ outcome }]);
  const { branches } = plannedOf(input.flow as ShopFlow); // Made by one of the builders above.
  expect(sidesOf(fakes, input, branches)).toEqual([outcome === 'completed' ? 'forward' : 'back']);
}

describe.each(flows)('a transaction of the flow %s', (flow) => {
  const { decision, tries, finishes } = plannedOf(flow);
  const aTransaction = inputs[flow];

  it('completes, with the steps that its definition shows to the outside', async () => {
    const fakes = fakeParticipants();
    const input = aTransaction();
    const { outcome, steps } = await runs.run(fakes, input);
    expect(outcome).toBe('completed');
    const happened = shop.stepsOfFlow(flow).filter(({ name }) => name !== 'review'); // Nobody had to make one.
    expect(steps.map(({ name, kind }) => ({ name, kind }))).toEqual(
      happened.map(({ name, kind }) => ({ name, kind })),
    );
    expectEnding(fakes, input, 'completed');
  });

  it('goes forward when its decision took effect and the answer was lost', async () => {
    const fakes = fakeParticipants({ [decision.act]: losesAnswerUntilSealed });
    const input = aTransaction(littleTime());
    expect((await runs.run(fakes, input)).outcome).toBe('completed');
    expectEnding(fakes, input, 'completed');
  });

  it('is undone when its decision never took effect, and never will', async () => {
    const fakes = fakeParticipants({ [decision.act]: isAway });
    const input = aTransaction(littleTime());
    expect((await runs.run(fakes, input)).outcome).toBe('compensated');
    expectEnding(fakes, input, 'compensated');
    expect(fakes.stateOf(input.gid, decision.name)).toBe('empty');
  });

  it('refuses a cancel after its decision', async () => {
    const waits = gate();
    const fakes = fakeParticipants({ [finishes[0]?.act ?? '']: waits.answer });
    const { outcome } = await runs.run(fakes, aTransaction(), async (handle) => {
      await waits.reached;
      expect(await refusalOf(cancel(handle))).toBe('PastPivot');
      waits.open();
    });
    expect(outcome).toBe('completed');
  });

  it.each(finishes)(
    'parks where $name fails from the list, and goes on by a retry',
    async (last) => {
      const fakes = fakeParticipants({ [last.act]: first(1, fails('InvariantBroken')) });
      const input = aTransaction();
      await runs.run(fakes, input, async (handle) => {
        const timeline = await parkedAt(handle, last.name);
        expect(timeline.parked).toMatchObject([{ reason: 'invariant_broken' }]);
        await decide(handle, last.name, 'retry', false);
      });
      expectEnding(fakes, input, 'completed');
    },
  );

  it('B25 that was reset after it completed completes again without a second effect', async () => {
    const fakes = fakeParticipants();
    const input = aTransaction();
    await runs.run(fakes, input, async (handle) => {
      await handle.result();
      await runs.reset(handle);
    });
    expectEnding(fakes, input, 'completed');
  });

  it('B25 that was reset after it was compensated is compensated again', async () => {
    const fakes = fakeParticipants({ [decision.act]: isAway });
    const input = aTransaction(littleTime());
    await runs.run(fakes, input, async (handle) => {
      await handle.result();
      fakes.on(decision.act, ({ proceed }) => proceed());
      await runs.reset(handle);
    });
    expectEnding(fakes, input, 'compensated');
  });

  it('undoes what it does not know, also as a second coordinator after its time is over', async () => {
    const last = tries.at(-1);
    if (!last) return; // Nothing comes before the decision.
    const fakes = fakeParticipants({ [last.act]: losesAnswer });
    const input = aTransaction(littleTime());
    tests.cast(input.gid, fakes);
    const handle = await runs.start(input);
    await called(fakes, last.act);
    await handle.terminate();
    await eventually(() => Date.now() > input.deadlineAt - input.undoBudgetMs);
    const second = await runs.start(input, `recover-${input.gid}`);
    expect((await second.result()).outcome).toBe('compensated');
    expectEnding(fakes, input, 'compensated');
  });
});

/** Acts that may refuse, each with a refusal that it declares. */
const refusalsOf = actsOf.flatMap((each) => {
  const type = refusalDeclaredBy(each.act);
  return type === undefined ? [] : [{ ...each, type }];
});

describe('a refusal', () => {
  it.each(refusalsOf)(
    'of $flow by $step leaves nothing behind',
    async ({ flow, step, act, type }) => {
      const fakes = fakeParticipants({ [act]: refuses(type, 'Sorry.') });
      const input = inputs[flow]();
      const result = await runs.run(fakes, input);
      expect(result).toMatchObject({
        outcome: 'compensated',
        reason: { type, step, detail: 'Sorry.' },
      });
      expectEnding(fakes, input, 'compensated');
    },
  );
});

describe('a refusal that its operation does not declare', () => {
  it.each(actsOf)('is no answer of $step in $flow: it parks', async ({ flow, step, act }) => {
    const fakes = fakeParticipants({ [act]: first(1, fails('NobodyHasDeclaredIt', 'Sorry.')) });
    const input = inputs[flow]();
    await runs.run(fakes, input, async (handle) => {
      await parkedAt(handle, step);
      const { parked } = await handle.query(timelineQuery);
      expect(parked).toMatchObject([
        {
          reason: 'invariant_broken',
          detail: `${act} refused with NobodyHasDeclaredIt, which it does not declare.`,
        },
      ]);
      await decide(handle, step, 'retry', false);
    });
    expectEnding(fakes, input, 'compensated');
  });
});

describe('a cancel', () => {
  it.each(triesOf)('of $flow while $step is under way takes all back', async ({ flow, act }) => {
    const waits = gate();
    const fakes = fakeParticipants({ [act]: waits.answer });
    const input = inputs[flow]();
    const result = await runs.run(fakes, input, async (handle) => {
      await waits.reached;
      const asked = cancel(handle);
      await updateAccepted(handle);
      waits.open();
      expect((await asked).state).toMatch(/undoing|compensated/);
    });
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'Cancelled' } });
    expectEnding(fakes, input, 'compensated');
  });

  it.each(triesOf)(
    'of $flow undoes $step also where its answers are lost',
    async ({ flow, act }) => {
      const fakes = fakeParticipants({ [act]: losesAnswer });
      const input = inputs[flow]();
      await runs.run(fakes, input, async (handle) => {
        await called(fakes, act, 2);
        await cancel(handle);
      });
      expectEnding(fakes, input, 'compensated');
    },
  );
});

/** Never acts: by a refusal where it may refuse. */
function noOf(act: string): Answer {
  const refusal = refusalDeclaredBy(act);
  return refusal === undefined ? fails('Fenced') : refuses(refusal);
}

describe('an undo', () => {
  it.each(triesOf)(
    'of $step in $flow that fails from the list parks, and its retry ends the transaction',
    async ({ flow, step, undo }) => {
      const { decision } = plannedOf(flow);
      const fakes = fakeParticipants({
        [decision.act]: noOf(decision.act),
        [undo ?? '']: first(1, fails('InvariantBroken')),
      });
      const input = inputs[flow]();
      await runs.run(fakes, input, async (handle) => {
        await parkedAt(handle, step);
        const others = plannedOf(flow).branches.filter((name) => name !== step);
        expect(statesOf(fakes, input, others)).not.toContain('acted');
        await decide(handle, step, 'retry', false);
      });
      expectEnding(fakes, input, 'compensated');
    },
  );
});

describe('two coordinators of one transaction', () => {
  it.each(actsOf)(
    'B26 come to one ending when the second of $flow starts at $step',
    async ({ flow, act }) => {
      const waits = gate();
      const fakes = fakeParticipants({ [act]: waits.answer });
      const input = inputs[flow]();
      await runs.run(fakes, input, async (handle) => {
        await waits.reached;
        fakes.on(act, ({ proceed }) => proceed());
        const second = await runs.start(input, `recover-${input.gid}`);
        await handle.cancel();
        waits.open();
        const endings = await Promise.all([handle.result(), second.result()]);
        expect(new Set(endings.map(({ outcome }) => outcome)).size).toBe(1);
      });
      expect(fakes.endings).toHaveLength(1);
      expect(sidesOf(fakes, input, plannedOf(flow).branches)).toHaveLength(1);
    },
  );
});
