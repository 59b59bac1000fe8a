import {
  ApplicationFailure,
  AsyncLocalStorage,
  CancellationScope,
  condition,
} from '@temporalio/workflow';

import type { VerdictFailure } from '../../../contracts/failures';
import {
  act as anAct,
  confirm,
  defineParticipant,
  retriableAct,
  seal,
  undo,
} from '../../../contracts/definition';
import { stepKeyOf } from '../../../contracts/ids';
import type { EndRun } from '../../../contracts/runs';
import type { Ending, TransactionInput } from '../../../contracts/transaction';
import type { Keyed, Verb, Verdict } from '../../../contracts/verdict';
import { coordinate } from '../../../workflows/kernel/coordinator';
import { createKernel } from '../../../workflows/kernel/kernel';
import type { ItemCall, Lane } from '../../../workflows/kernel/lane';
import { verdictNameOf } from '../../../workflows/kernel/lane';
import { createRun } from '../../../workflows/kernel/run';
import type { Story, Transaction } from '../../../workflows/kernel/story';

const noRoomLeft = 'NoRoomLeft';

/** A stranger's: the kernel has never heard of it, nor of how it refuses. */
const hotel = defineParticipant('hotel', {
  holdRoom: anAct({ refusals: [noRoomLeft], reserves: true }),
  releaseRoom: undo(),
  confirmRoom: confirm(),
  pay: anAct({ refusals: [noRoomLeft] }),
  sealBranch: seal(),
  tidyRoom: retriableAct(),
});

/** What a call meets. `lost`: it takes effect and nobody hears of it. `away`: it has none, and nobody knows. */
export type ActFate = 'ok' | 'refused' | 'lost' | 'away' | 'broken' | 'fenced';
/** `broken` once: it parks, and the operator's retry succeeds. */
export type OwedFate = 'ok' | 'broken';

export interface PlannedAct {
  readonly name: string;
  readonly isTcc: boolean;
  readonly act: ActFate;
  readonly undo: OwedFate;
  readonly confirm: OwedFate;
}
/** Acts of a group run at once, groups one after the other. */
export interface Plan {
  readonly groups: readonly (readonly PlannedAct[])[];
  /** `null`: the branch `decide` decides. */
  readonly pivot: ActFate | null;
  readonly finishes: readonly { readonly name: string; readonly fate: OwedFate }[];
  /** The body is cancelled when this many calls were made; `null`: never. */
  readonly cancelAtCall: number | null;
}

type RowState = 'acted' | 'confirmed' | 'undone' | 'empty' | 'refused';
export interface PlanOutcome {
  readonly outcome: Ending;
  readonly reason: string | null;
  /** `start <branch>` of each act, `<verb> <branch>` of each answer, in order; `end <outcome>` last. */
  readonly trace: readonly string[];
  readonly rows: Readonly<Record<string, RowState>>;
  readonly parked: number;
}

/** Runs plans one after the other, each to its ending, with a fence in memory instead of activities. */
export async function kernelPlans(plans: readonly Plan[]): Promise<readonly PlanOutcome[]> {
  const outcomes: PlanOutcome[] = [];
  for (const [at, plan] of plans.entries()) outcomes.push(await runPlan(plan, at));
  return outcomes;
}

async function runPlan(plan: Plan, at: number): Promise<PlanOutcome> {
  const input: TransactionInput = {
    gid: `order:plan.${at}`,
    tenant: 'plan',
    flow: 'order',
    deadlineAt: Date.now() + 60_000,
    undoBudgetMs: 1_000,
  };
  const world = createWorld(plan);
  const run = createRun(input, { now: Date.now, wasReset: false });
  const kernel = createKernel(run, world.lane, storyOf(plan));
  world.onCall((calls) => {
    if (calls === plan.cancelAtCall) kernel.body.cancel();
  });

  const decided = new Set<string>();
  const undecided = () =>
    [...run.parked.values()].filter(({ step, failures }) => !decided.has(`${step} ${failures}`));
  const operator = new CancellationScope();
  const deciding = operator.run(async () => {
    for (;;) {
      await condition(() => undecided().length > 0);
      for (const { step, failures } of undecided()) {
        decided.add(`${step} ${failures}`);
        kernel.parking.resolve({
          step,
          decision: 'retry',
          actor: { subject: 'test' },
          evidence: null,
        });
      }
    }
  });
  deciding.catch(() => undefined); // Ends with its scope.

  const result = await coordinate(kernel, storyOf(plan));
  operator.cancel();
  return {
    outcome: result.outcome,
    reason: result.outcome === 'compensated' ? result.reason.type : null,
    trace: world.trace,
    rows: Object.fromEntries(world.rows),
    parked: decided.size,
  };
}

function storyOf(plan: Plan): Story {
  return {
    ...(plan.pivot && {
      decision: { step: 'pivot', seal: (call, key) => call(hotel.sealBranch, { key }) },
    }),
    undos: plan.groups.flat().map(({ name }) => ({
      step: name,
      atRisk: [],
      undo: (call, key) => call(hotel.releaseRoom, { key }),
    })),
    async tell(tx) {
      for (const group of plan.groups) await Promise.all(group.map((act) => tell(tx, act)));
      if (!plan.pivot) return;
      await tx.pivot('pivot', (key) => tx.call(hotel.pay, { key }));
      for (const { name } of plan.finishes) {
        await tx.finish(name, (key) => tx.call(hotel.tidyRoom, { key }));
      }
    },
  };
}

function tell(tx: Transaction, { name, isTcc }: PlannedAct): Promise<unknown> {
  const hold = (key: string) => tx.call(hotel.holdRoom, { key });
  const release = (key: string) => tx.call(hotel.releaseRoom, { key });
  if (!isTcc) return tx.step(name, { act: hold, undo: release });
  return tx.participant(name, {
    try: hold,
    cancel: release,
    confirm: (key) => tx.call(hotel.confirmRoom, { key }),
  });
}

/** The fence in memory, and the fates that meet it. */
function createWorld(plan: Plan) {
  const rows = new Map<string, RowState>();
  const trace: string[] = [];
  const broken = new Set<string>();
  let calls = 0;
  let told: ((calls: number) => void) | undefined;

  const acts = new Map(plan.groups.flat().map((act) => [act.name, act]));
  const finishes = new Map(plan.finishes.map(({ name, fate }) => [name, fate]));

  const lane: Lane = {
    calls: new AsyncLocalStorage(),
    locks: undefined,
    patience: (isDone) => condition(isDone),
    show: () => undefined,
    async send(call) {
      if (call.verb === 'act') trace.push(`start ${verdictNameOf(call).branch}`);
      await momentsOf(call); // Apart, so that calls overlap and end in another order than they began.
      if (call.activity !== 'accord.moveRun') told?.((calls += 1));
      return answer(call);
    },
  };
  return {
    lane,
    rows,
    trace,
    onCall: (listener: (calls: number) => void) => void (told = listener),
  };

  function answer(call: ItemCall): Verdict<unknown> {
    const { branch, verb } = verdictNameOf(call);
    if (call.activity === 'accord.moveRun') return ok(call, null);
    if (call.activity === 'accord.endRun') {
      trace.push(`end ${(call.request as EndRun).outcome}`); // The request is what this activity takes.
      return ok(call, { ending: '' });
    }
    const fate = fateOf(branch, verb);
    if (fate === 'away') throw away();
    if (fate === 'broken' && verb !== 'act') return brokenOnce(call, `${verb} ${branch}`);
    if (fate === 'broken' && finishes.has(branch)) return brokenOnce(call, `${verb} ${branch}`);
    trace.push(`${verb} ${branch}`);
    if (fate === 'broken') return fail(call, 'InvariantBroken');
    if (fate === 'fenced') return fail(call, 'Fenced');
    if (fate === 'refused') return refuse(call, branch);
    const verdict = deliver(call, branch, verb);
    if (fate === 'lost') throw away();
    return verdict;
  }

  function fateOf(branch: string, verb: Verb): ActFate {
    const act = acts.get(branch);
    if (verb === 'act') {
      // A pivot whose answer was lost is answered when it is asked again: the story is told once more.
      if (branch === 'pivot') return rows.get(branch) === 'acted' ? 'ok' : (plan.pivot ?? 'ok');
      return rows.has(branch) ? 'ok' : (act?.act ?? finishes.get(branch) ?? 'ok');
    }
    if (verb === 'undo') return act?.undo ?? 'ok';
    return verb === 'confirm' ? (act?.confirm ?? 'ok') : 'ok';
  }

  function brokenOnce(call: ItemCall, name: string): Verdict<unknown> {
    if (!broken.has(name)) {
      broken.add(name);
      return fail(call, 'InvariantBroken');
    }
    trace.push(name);
    const { branch, verb } = verdictNameOf(call);
    return deliver(call, branch, verb);
  }

  function refuse(call: ItemCall, branch: string): Verdict<unknown> {
    rows.set(branch, 'refused');
    return fail(call, noRoomLeft);
  }

  function deliver(call: ItemCall, branch: string, verb: Verb): Verdict<unknown> {
    const row = rows.get(branch);
    const happened = row === 'acted' || row === 'confirmed';
    if (verb === 'seal') {
      if (!row) rows.set(branch, 'empty');
      return ok(call, { happened });
    }
    if (verb === 'confirm') rows.set(branch, 'confirmed');
    if (verb === 'undo') rows.set(branch, row === 'acted' ? 'undone' : (row ?? 'empty'));
    if (verb === 'act' && row && !happened)
      return fail(call, row === 'refused' ? noRoomLeft : 'Fenced');
    if (verb === 'act' && !row) rows.set(branch, 'acted');
    return ok(call, null);
  }
}

/** Some microtasks, the same for the same call: a workflow must be deterministic. */
async function momentsOf({ request, verb }: ItemCall): Promise<void> {
  const moments =
    Array.from(`${request.key}${verb}`).reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 4;
  for (let moment = 0; moment < moments; moment += 1) await Promise.resolve();
}

/** As an activity ends that has used up its time: the outcome is unknown. */
const away = () => ApplicationFailure.nonRetryable('Nobody knows.', 'TimedOut');

const ok = (call: ItemCall, result: unknown): Verdict<unknown> => ({
  ...nameOf(call.request, call.verb),
  fence: 'first',
  epoch: 1,
  ok: true,
  result,
});

const fail = (call: ItemCall, failure: VerdictFailure): Verdict<unknown> => ({
  ...nameOf(call.request, call.verb),
  fence: 'broken',
  epoch: 1,
  ok: false,
  failure,
  detail: failure,
});

function nameOf(request: Keyed, verb: Verb) {
  const slash = request.key.lastIndexOf('/');
  const gid = request.key.slice(0, slash);
  const branch = request.key.slice(slash + 1);
  if (stepKeyOf(gid, branch) !== request.key) throw new Error(`${request.key} is no step key.`);
  return { gid, branch, verb };
}
