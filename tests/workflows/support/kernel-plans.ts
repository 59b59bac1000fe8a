import {
  ApplicationFailure,
  AsyncLocalStorage,
  CancellationScope,
  condition,
} from '@temporalio/workflow';

import type { VerdictFailure } from '../../../contracts/engine/failures';
import {
  act as anAct,
  confirm,
  defineParticipant,
  retriableAct,
  seal,
  undo,
} from '../../../contracts/engine/definition';
import { stepKeyOf } from '../../../contracts/engine/ids';
import type { EndRun } from '../../../contracts/engine/runs';
import {
  compensable,
  counted,
  pivot,
  retired,
  retriable,
  tcc,
  type AnyStep,
  type FlowDefinition,
} from '../../../contracts/engine/steps';
import type {
  Ending,
  TransactionInput,
  TransactionResult,
} from '../../../contracts/engine/transaction';
import type { Keyed, Verb, Verdict } from '../../../contracts/engine/verdict';
import { coordinate } from '../../../workflows/kernel/coordinator';
import { storyOf } from '../../../workflows/kernel/flow';
import { createKernel, type Kernel } from '../../../workflows/kernel/kernel';
import type { ItemCall, Lane } from '../../../workflows/kernel/lanes/lane';
import { verdictNameOf } from '../../../workflows/kernel/lanes/lane';
import { createRun } from '../../../workflows/kernel/run';

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

/** How a step is declared: once, for TCC, or many times. */
export type PlannedForm = 'once' | 'tcc' | 'counted';

export interface PlannedAct {
  readonly name: string;
  readonly form: PlannedForm;
  readonly act: ActFate;
  readonly undo: OwedFate;
  readonly confirm: OwedFate;
  /** The flow goes on where it is refused. */
  readonly isCaught: boolean;
  /** This input does not have it. */
  readonly isSkipped: boolean;
  /** `retired`: the build of the second life declares it, and does not run it any more. `added`: only that build has it. */
  readonly build: 'both' | 'retired' | 'added';
}
/** Acts of a group run at once, groups one after the other. */
export interface Plan {
  readonly groups: readonly (readonly PlannedAct[])[];
  /** `null`: the branch `decide` decides. */
  readonly pivot: ActFate | null;
  readonly finishes: readonly { readonly name: string; readonly fate: OwedFate }[];
  /** The body of the last life is cancelled when this many calls were made; `null`: never. */
  readonly cancelAtCall: number | null;
  /** Behind this many calls nobody hears of the first life any more, and a second one begins; `null`: there is one. */
  readonly lostAtCall: number | null;
}

/** What a counted step is run and declared for. */
export const countedTimes = 3;

type RowState = 'acted' | 'confirmed' | 'undone' | 'empty' | 'refused';
export interface PlanOutcome {
  readonly outcome: Ending;
  readonly reason: string | null;
  /** `start <branch>` of each act, `<verb> <branch>` of each answer, in order; `end <outcome>` last. */
  readonly trace: readonly string[];
  /** Where the trace of the last life begins. */
  readonly lastLife: number;
  readonly rows: Readonly<Record<string, RowState>>;
  readonly parked: number;
}

/** Runs plans one after the other, each to its ending, with a fence in memory instead of activities. */
export async function kernelPlans(plans: readonly Plan[]): Promise<readonly PlanOutcome[]> {
  const outcomes: PlanOutcome[] = [];
  for (const [at, plan] of plans.entries()) outcomes.push(await runPlan(plan, at));
  return outcomes;
}

interface PlanInput extends TransactionInput {
  readonly plan: Plan;
}

async function runPlan(plan: Plan, at: number): Promise<PlanOutcome> {
  const input: PlanInput = {
    plan,
    gid: `order:plan.${at}`,
    tenant: 'plan',
    flow: 'order',
    deadlineAt: Date.now() + 60_000,
    undoBudgetMs: 1_000,
  };
  const world = createWorld(plan);
  const first = await live(input, world, 1);
  const lastLife = first ? 0 : world.trace.length;
  const ended = first ?? (await live(input, world, 2));
  if (!ended) throw new Error('The last life was lost.');
  const { result, parked } = ended;
  return {
    outcome: result.outcome,
    reason: result.outcome === 'compensated' ? result.reason.type : null,
    trace: world.trace,
    lastLife,
    rows: Object.fromEntries(world.rows),
    parked,
  };
}

type Life = 1 | 2;

/** Lives a plan to its ending. @returns `undefined`: nobody hears of this life any more. */
async function live(
  input: PlanInput,
  world: ReturnType<typeof createWorld>,
  life: Life,
): Promise<{ readonly result: TransactionResult; readonly parked: number } | undefined> {
  const { plan } = input;
  const isLast = life === 2 || plan.lostAtCall === null;
  const run = createRun(input, { now: Date.now, wasReset: false });
  const story = storyOf(...flowOf(plan, life), input);
  const lane = world.laneOf(isLast ? null : plan.lostAtCall, (calls) => {
    if (isLast && calls === plan.cancelAtCall) kernel.body.cancel();
  });
  const kernel = createKernel(run, lane, story);
  const operator = new CancellationScope();
  const decided = new Set<string>();
  operator.run(() => retryForEver(kernel, decided)).catch(() => undefined); // Ends with its scope.
  const coordinated = coordinate(kernel, story);
  const result = await (isLast ? coordinated : Promise.race([coordinated, lostLife(world)]));
  operator.cancel();
  return result && { result, parked: decided.size };
}

async function lostLife(world: ReturnType<typeof createWorld>): Promise<undefined> {
  await condition(() => world.isLost());
  return undefined;
}

/** An operator who says *retry* to whatever is parked, once each time. */
async function retryForEver({ run, parking }: Kernel, decided: Set<string>): Promise<never> {
  const undecided = () =>
    [...run.parked.values()].filter(({ step, failures }) => !decided.has(`${step} ${failures}`));
  for (;;) {
    await condition(() => undecided().length > 0);
    for (const { step, failures } of undecided()) {
      decided.add(`${step} ${failures}`);
      parking.resolve({ step, decision: 'retry', actor: { subject: 'test' }, evidence: null });
    }
  }
}

const isDeclaredIn = ({ build }: PlannedAct, life: Life): boolean =>
  life === 2 || build !== 'added';
const isRunIn = (act: PlannedAct, life: Life): boolean =>
  isDeclaredIn(act, life) && !act.isSkipped && !(act.build === 'retired' && life === 2);

type Word = (request: object) => Promise<unknown>;
type Words = Readonly<
  Record<string, Word & { readonly at: (n: number, request: object) => Promise<unknown> }>
>;

/** The flow of a plan, as the build of this life has it. */
function flowOf(plan: Plan, life: Life) {
  const acts = plan.groups.flat().filter((act) => isDeclaredIn(act, life));
  const steps: Record<string, AnyStep<PlanInput>> = {
    ...Object.fromEntries(acts.map((act) => [act.name, stepOf(act, life)])),
    ...(plan.pivot && { pivot: pivot(hotel.pay, { seal: hotel.sealBranch }) }),
    ...Object.fromEntries(plan.finishes.map(({ name }) => [name, retriable(hotel.tidyRoom)])),
  };
  const flow: FlowDefinition<PlanInput, typeof steps> = {
    ...{ name: 'order', workflow: 'plan', locks: [], steps },
  };
  const run = async (tx: unknown): Promise<void> => {
    const words = tx as Words; // Made of steps that only the plan knows.
    for (const group of plan.groups) {
      await Promise.all(group.filter((act) => isRunIn(act, life)).map((act) => actOn(words, act)));
    }
    if (!plan.pivot) return;
    await words['pivot']?.({});
    for (const { name } of plan.finishes) await words[name]?.({});
  };
  return [flow, { run }] as const;
}

function stepOf(planned: PlannedAct, life: Life): AnyStep<PlanInput> {
  const step = actingStepOf(planned);
  return planned.build === 'retired' && life === 2 ? retired(step) : step;
}

function actingStepOf({ form, isSkipped, build }: PlannedAct) {
  const when = () => !isSkipped;
  const more = { when, ...(build === 'added' && { isAdded: true as const }) };
  const act = hotel.holdRoom;
  const release = { undo: hotel.releaseRoom, ...more };
  if (form === 'tcc')
    return tcc({ try: act, confirm: hotel.confirmRoom, cancel: hotel.releaseRoom, ...more });
  if (form === 'once') return compensable(act, release);
  return counted(act, { ...release, times: () => countedTimes });
}

async function actOn(words: Words, { name, form, isCaught }: PlannedAct): Promise<void> {
  const word = words[name];
  const times = form === 'counted' ? countedTimes : 1;
  for (let time = 1; time <= times; time += 1) {
    const acting = form === 'counted' ? word?.at(time, {}) : word?.({});
    await acting?.catch((error: unknown) => {
      if (!isCaught) throw error;
    });
  }
}

/** The fence in memory, and the fates that meet it. */
function createWorld(plan: Plan) {
  const rows = new Map<string, RowState>();
  const trace: string[] = [];
  const broken = new Set<string>();
  let isLost = false;

  const acts = new Map(
    plan.groups.flat().flatMap((act) => branchesOf(act).map((branch) => [branch, act] as const)),
  );
  const finishes = new Map(plan.finishes.map(({ name, fate }) => [name, fate]));

  /** @param lostAt behind so many calls nobody hears of this life any more; `null`: never. */
  const laneOf = (lostAt: number | null, onCall: (calls: number) => void): Lane => {
    let calls = 0;
    return {
      calls: new AsyncLocalStorage(),
      locks: undefined,
      patience: (isDone) => condition(isDone),
      show: () => undefined,
      async send(call) {
        if (lostAt !== null && calls >= lostAt) return never(); // It is not even asked.
        if (call.verb === 'act') trace.push(`start ${verdictNameOf(call).branch}`);
        await momentsOf(call); // Apart, so that calls overlap and end in another order than they began.
        if (call.activity === 'accord.moveRun') return answer(call);
        onCall((calls += 1));
        if (lostAt === null || calls < lostAt) return answer(call);
        if (calls === lostAt) unheard(call); // It takes effect, and is the last that does.
        isLost = true;
        return never();
      },
    };
  };
  return { laneOf, rows, trace, isLost: () => isLost };

  function unheard(call: ItemCall): void {
    try {
      answer(call);
    } catch {
      // Nobody would hear of it either.
    }
  }

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
      if (branch === 'pivot') return rows.has(branch) ? 'ok' : (plan.pivot ?? 'ok');
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

const never = (): Promise<never> => new Promise(() => undefined);

/** The branches of a step. */
export const branchesOf = ({ name, form }: Pick<PlannedAct, 'name' | 'form'>): readonly string[] =>
  form === 'counted'
    ? Array.from({ length: countedTimes }, (_, at) => `${name}-${at + 1}`)
    : [name];

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
