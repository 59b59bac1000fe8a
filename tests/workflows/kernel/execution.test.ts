import { describe, expect, it } from '@jest/globals';

import { inventory } from '../../../contracts/participants/inventory';
import type { OrderSagaInput } from '../../../contracts/flows/order';
import { accounts } from '../../../contracts/participants';
import { defineFlow } from '../../../contracts/engine/flow-definition';
import { counted, pivot } from '../../../contracts/engine/steps';
import { executableOf } from '../../../workflows/kernel/flow';
import type { Kernel } from '../../../workflows/kernel/kernel';
import { createRun, type StepRecord } from '../../../workflows/kernel/run';
import { failureOfVerdict } from '../../../workflows/kernel/step-failure';
import type { ExecutableFlow, Transaction } from '../../../workflows/kernel/executable-flow';
import { createExecution, registerUndos } from '../../../workflows/kernel/execution';
import { anOrder } from '../support/builders';
import { standingClock } from '../../support/clocks';

const held = [{ kind: 'hold', currency: 'EUR', minorUnits: 1_250 }] as const;

/** A kernel whose calls are answered at once; there is no server below. */
function aKernel() {
  const run = createRun(anOrder(), { clock: standingClock(1_000), wasReset: false });
  const owed: { readonly step: StepRecord; readonly reason: string; readonly leaves: string }[] =
    [];
  const kernel = {
    run,
    call: () => Promise.resolve(null),
    lane: { show: () => undefined },
    retryUntilDone: {
      persist: async (one: (typeof owed)[number] & { readonly call: () => Promise<unknown> }) => {
        owed.push(one);
        return one.call();
      },
    },
  } as unknown as Kernel; // What a execution asks of it outside of a workflow.
  return { kernel, run, owed };
}

const undoOf = (step: string) => ({ step, atRisk: held, undo: () => Promise.resolve() });
const story = (...undos: readonly string[]): ExecutableFlow => ({
  undos: undos.map(undoOf),
  retired: [],
  run: () => Promise.resolve(),
});

/** As an earlier run of the transaction has left it: its undo does not travel. */
function begun(run: Kernel['run'], name: string, more: Partial<StepRecord> = {}): void {
  registerUndos({ run } as Kernel, story(name), false);
  const step = run.steps.get(name);
  if (step) Object.assign(step, { undo: undefined, ...more });
}

describe('the undos of a run that another one has begun', () => {
  it('are those of its build', () => {
    const { kernel, run } = aKernel();
    begun(run, 'room');
    registerUndos(kernel, story('room'), true);
    expect(run.steps.get('room')?.undo).toBeInstanceOf(Function);
  });

  it('are never forgotten: a build without the step waits for a mended one', () => {
    const { kernel, run } = aKernel();
    begun(run, 'room');
    expect(() => registerUndos(kernel, story('car'), true)).toThrow(
      'room was begun, and nothing here takes it back.',
    );
  });

  it.each(['refused', 'undone', 'doneByHand', 'skipped'] as const)(
    'are not owed for a step that is %s',
    (state) => {
      const { kernel, run } = aKernel();
      begun(run, 'room', { state });
      expect(() => registerUndos(kernel, story('car'), true)).not.toThrow();
    },
  );
});

describe('a step that its flow has no more, behind the decision', () => {
  it('is taken back with what may stand of it, which a person who skips it leaves', async () => {
    const { kernel, run, owed } = aKernel();
    run.phase = 'forward';
    await createExecution(kernel).confirm([undoOf('room')]);
    expect(owed).toMatchObject([{ reason: 'undo_failed', leaves: 'undone' }]);
    expect(run.steps.get('room-retired')).toMatchObject({ kind: 'retriable', atRisk: held });
  });

  it('is not executable twice of an amount that an earlier run knows', async () => {
    const { kernel, run } = aKernel();
    begun(run, 'room');
    run.phase = 'forward';
    await createExecution(kernel).confirm([undoOf('room')]);
    expect(run.steps.get('room-retired')?.atRisk).toEqual([]);
  });
});

describe('a step that was added while runs were open', () => {
  const room = { type: 'hotel.holdRoom', refusals: ['NoRoomLeft'] };
  const refuse = () =>
    Promise.reject(
      failureOfVerdict(room, { ...{ branch: 'room', failure: 'NoRoomLeft' }, detail: '' }),
    );
  const act = { act: refuse, undo: () => Promise.resolve() };

  it.each([true, false])(
    'decides nothing by its refusal where it is run again: %s',
    async (isAdded) => {
      const { kernel } = aKernel();
      const execution = createExecution(kernel, true);
      await expect(execution.tx.step('room', { ...act, isAdded })).rejects.toThrow();
      expect(execution.reach().isLasting).toBe(!isAdded);
    },
  );
});

describe('a word for a step that its input does not have', () => {
  const flow = defineFlow<OrderSagaInput>()({
    ...{ name: 'order', workflow: 'w' },
    steps: {
      rooms: counted(inventory.reserveStock, {
        ...{ undo: inventory.releaseStock, times: () => 2, when: () => false },
      }),
      pay: pivot(accounts.captureFunds, { seal: accounts.sealBranch, when: () => false }),
    },
  });
  const nobody = {} as Transaction;

  it.each(['rooms', 'pay'] as const)('says so: %s', async (name) => {
    const input = anOrder();
    const executable = executableOf(
      flow,
      {
        async run(tx) {
          if (name === 'rooms') await tx.rooms.at(1, { lines: [] });
          else await tx.pay({ holdKey: '', payeeId: 'acme.A-1', amount: input.amount });
        },
      },
      input,
    );
    await expect(executable.run(nobody)).rejects.toThrow(`${name} is no step of this input.`);
  });
});
