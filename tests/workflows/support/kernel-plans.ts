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
import { type FlowDefinition } from '../../../contracts/engine/flow-definition';
import {
  compensable,
  counted,
  pivot,
  retired,
  retriable,
  tcc,
  type AnyStep,
} from '../../../contracts/engine/steps';
import type { Ending, TransactionInput } from '../../../contracts/engine/transaction';
import type { Keyed, Verb, Verdict } from '../../../contracts/engine/verdict';
import { coordinate } from '../../../workflows/kernel/coordinator';
import { executableOf } from '../../../workflows/kernel/flow';
import { createKernel, type Kernel } from '../../../workflows/kernel/kernel';
import type { ItemCall, Lane } from '../../../workflows/kernel/lanes/lane';
import { verdictNameOf } from '../../../workflows/kernel/lanes/lane';
import { createRun } from '../../../workflows/kernel/run';
import { runningClock } from '../../support/clocks';

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
  /**
   * `retired`: the build of the second life declares it, and does not run it any more. `added`: only that build has it.
   */
  readonly build: 'both' | 'retired' | 'added';
}
/** Acts of a group run at once, groups one after the other. */
export interface Plan {
  readonly groups: readonly (readonly PlannedAct[])[];
  /** `null`: the branch `decide` decides. */
  readonly pivot: ActFate | null;
  readonly finishes: readonly { readonly name: string; readonly fate: OwedFate }[];
  /** The body of the last life is cancelled when it has made this many calls; `null`: never. */
  readonly cancelAtCall: number | null;
  /** `null`: there is one life. */
  readonly second: SecondLife | null;
}

/**
 * How a second life of a transaction begins, once the first has made `atCall` calls. `lost`: nobody hears of the first
 * any more, and the second, of the next build, knows nothing. `reset`: nobody hears of it either, or it has ended; the
 * second knows the answers of its first `known` calls, as Temporal resets a run to one of its events. `beside`: both go
 * on.
 */
export type SecondLife =
  | { readonly how: 'lost' | 'beside'; readonly atCall: number }
  | { readonly how: 'reset'; readonly atCall: number; readonly known: number };

/** What a counted step is run and declared for. */
export const countedTimes = 3;

type RowState = 'acted' | 'confirmed' | 'undone' | 'empty' | 'refused';
export interface PlanOutcome {
  /** Ending of the last life. */
  readonly outcome: Ending;
  /** `start <branch>` of each act, `<verb> <branch>` of each answer, in order; `end <outcome>` last. */
  readonly trace: readonly string[];
  /** Each that has ended, the last one last. */
  readonly lives: readonly LifeOutcome[];
  readonly rows: Readonly<Record<string, RowState>>;
}

export interface LifeOutcome {
  readonly build: Build;
  readonly outcome: Ending;
  readonly reason: string | null;
  /** Trace of this life only, with what it knew when it began. */
  readonly trace: readonly string[];
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
  const { second } = plan;
  const first = live(input, world, {
    life: 1,
    lostAt: second === null || second.how === 'beside' ? null : second.atCall,
    cancelAt: second === null ? plan.cancelAtCall : null,
    known: [],
  });
  const lives: readonly (LifeOutcome | undefined)[] = await Promise.all([
    first.ended,
    secondOf(input, world, first),
  ]);
  const ended = lives.filter((life) => life !== undefined);
  const last = ended.at(-1);
  if (!last) throw new Error('The last life was lost.');
  return {
    outcome: last.outcome,
    trace: world.trace,
    lives: ended,
    rows: Object.fromEntries(world.rows),
  };
}

async function secondOf(
  input: PlanInput,
  world: World,
  first: ReturnType<typeof live>,
): Promise<LifeOutcome | undefined> {
  const { second, cancelAtCall: cancelAt } = input.plan;
  if (!second) return undefined;
  const { calls } = first;
  if (second.how === 'beside') {
    await Promise.race([first.ended, condition(() => calls.length >= second.atCall)]);
  } else if ((await first.ended) && second.how === 'lost') return undefined;
  const known = second.how === 'reset' ? calls.slice(0, second.known) : [];
  return live(input, world, { life: 2, lostAt: null, cancelAt, known }).ended;
}

type Life = 1 | 2;

interface Circumstances {
  readonly life: Life;
  readonly lostAt: number | null;
  readonly cancelAt: number | null;
  /** What it knows of its first calls. */
  readonly known: readonly KnownCall[];
}

/** Lives a plan. `ended` is `undefined` once nobody hears of this life any more. */
function live(input: PlanInput, world: World, given: Circumstances) {
  const { plan } = input;
  const { life, lostAt, cancelAt, known } = given;
  const run = createRun(input, { clock: runningClock, wasReset: known.length > 0 });
  const build = buildOf(plan, life);
  const story = executableOf(...flowOf(plan, build), input);
  const witness = world.witness({ lostAt, known }, (calls) => {
    if (calls === cancelAt) kernel.body.cancel();
  });
  const kernel = createKernel(run, witness.lane, story);
  return { calls: witness.calls, ended: ended() };

  async function ended(): Promise<LifeOutcome | undefined> {
    const operator = new CancellationScope();
    operator.run(() => retryForEver(kernel)).catch(() => undefined); // Ends with its scope.
    const coordinated = coordinate(kernel, story);
    const result = await Promise.race([coordinated, lostLife(witness)]);
    operator.cancel();
    if (!result) return undefined;
    const [forgotten] = witness.recalled;
    if (forgotten) throw new Error(`It did not ask again for ${forgotten.name}.`);
    const { outcome } = result;
    const reason = result.outcome === 'compensated' ? result.reason.type : null;
    return { build, outcome, reason, trace: witness.trace };
  }
}

async function lostLife(witness: Witness): Promise<undefined> {
  await condition(() => witness.isLost());
  return undefined;
}

/** An operator who says *retry* to whatever is parked, once each time. */
async function retryForEver({ run, parking }: Kernel): Promise<never> {
  const decided = new Set<string>();
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

type Build = 1 | 2;

/** One that was lost is taken over by the next build; what one build has begun, another could not go on with. */
const buildOf = ({ second }: Plan, life: Life): Build =>
  life === 2 && second?.how === 'lost' ? 2 : 1;

const isDeclaredIn = ({ build }: PlannedAct, by: Build): boolean => by === 2 || build !== 'added';
/** The steps that a build runs, as they stand in its flow. */
export const isRunIn = (act: PlannedAct, by: Build): boolean =>
  isDeclaredIn(act, by) && !act.isSkipped && !(act.build === 'retired' && by === 2);

type Word = (request: object) => Promise<unknown>;
type Words = Readonly<
  Record<string, Word & { readonly at: (n: number, request: object) => Promise<unknown> }>
>;

/** The flow of a plan, as a build has it. */
function flowOf(plan: Plan, build: Build) {
  const acts = plan.groups.flat().filter((act) => isDeclaredIn(act, build));
  const steps: Record<string, AnyStep<PlanInput>> = {
    ...Object.fromEntries(acts.map((act) => [act.name, stepOf(act, build)])),
    ...(plan.pivot && { pivot: pivot(hotel.pay, { seal: hotel.sealBranch }) }),
    ...Object.fromEntries(plan.finishes.map(({ name }) => [name, retriable(hotel.tidyRoom)])),
  };
  const flow: FlowDefinition<PlanInput, typeof steps> = {
    ...{ name: 'order', workflow: 'plan', locks: [], lane: 'any', steps },
  };
  const run = async (tx: unknown): Promise<void> => {
    const words = tx as Words; // Made of steps that only the plan knows.
    for (const group of plan.groups) {
      await Promise.all(group.filter((act) => isRunIn(act, build)).map((act) => actOn(words, act)));
    }
    if (!plan.pivot) return;
    await words['pivot']?.({});
    for (const { name } of plan.finishes) await words[name]?.({});
  };
  return [flow, { run }] as const;
}

function stepOf(planned: PlannedAct, build: Build): AnyStep<PlanInput> {
  const step = actingStepOf(planned);
  return planned.build === 'retired' && build === 2 ? retired(step) : step;
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

/** A call of a life, as its history keeps it. */
interface KnownCall {
  readonly name: string;
  /** Lines of the trace. */
  readonly said: readonly string[];
  readonly answer: () => Verdict<unknown>;
}

type World = ReturnType<typeof createWorld>;
type Witness = ReturnType<World['witness']>;

/** The fence in memory, and the fates that meet it. */
function createWorld(plan: Plan) {
  const rows = new Map<string, RowState>();
  const trace: string[] = [];
  const broken = new Set<string>();

  const acts = new Map(
    plan.groups.flat().flatMap((act) => branchesOf(act).map((branch) => [branch, act] as const)),
  );
  const finishes = new Map(plan.finishes.map(({ name, fate }) => [name, fate]));

  return {
    witness,
    rows,
    trace,
  };

  /**
   * What one life sees of the world.
   *
   * @param lostAt behind so many calls nobody hears of it any more; `null`: never.
   * @param onCall with the number of calls that it has made itself.
   */
  function witness(
    { lostAt, known }: Pick<Circumstances, 'lostAt' | 'known'>,
    onCall: (calls: number) => void,
  ) {
    const calls: KnownCall[] = [];
    const recalled = [...known];
    const lines: string[] = [];
    let isLost = false;
    const lane: Lane = {
      calls: new AsyncLocalStorage(),
      owner: 'the-run',
      leave: undefined,
      locks: undefined,
      pauseForUndo: (isDone) => condition(isDone),
      show: () => undefined,
      async send(call) {
        if (lostAt !== null && calls.length >= lostAt) return never(); // It is not even asked.
        const before = takenFrom(recalled, nameOfCall(call));
        const say = (line: string) => {
          lines.push(line);
          if (!before) trace.push(line);
        };
        if (call.verb === 'act' && !isOfRow(call)) say(`start ${verdictNameOf(call).branch}`);
        await momentsOf(call); // Apart, so that calls overlap and end in another order than they began.
        if (call.activity === 'accord.moveRun') return ok(call, null);
        const met = before ?? answered(call);
        met.said.forEach(say);
        calls.push(met);
        if (!before) onCall(calls.length - known.length);
        if (lostAt === null || calls.length < lostAt) return met.answer();
        isLost = true; // It took effect, and is the last that did.
        return never();
      },
    };
    return { lane, calls, recalled, trace: lines, isLost: () => isLost };
  }

  /** Meets its fate, and can be answered with it again. */
  function answered(call: ItemCall): KnownCall {
    const name = nameOfCall(call);
    const said: string[] = [];
    try {
      const verdict = answer(call, (line) => void said.push(line));
      return { name, said, answer: () => verdict };
    } catch (error) {
      const thrown = () => {
        throw error;
      };
      return { name, said, answer: thrown };
    }
  }
  function answer(call: ItemCall, say: (line: string) => void): Verdict<unknown> {
    const { branch, verb } = verdictNameOf(call);
    if (call.activity === 'accord.endRun') {
      say(`end ${(call.request as EndRun).outcome}`); // The request is what this activity takes.
      return ok(call, null);
    }
    const fate = fateOf(branch, verb);
    if (fate === 'away') throw away();
    if (fate === 'broken' && verb !== 'act') return brokenOnce(call, say);
    if (fate === 'broken' && finishes.has(branch)) return brokenOnce(call, say);
    say(`${verb} ${branch}`);
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

  function brokenOnce(call: ItemCall, say: (line: string) => void): Verdict<unknown> {
    const { branch, verb } = verdictNameOf(call);
    const name = `${verb} ${branch}`;
    if (!broken.has(name)) {
      broken.add(name);
      return fail(call, 'InvariantBroken');
    }
    say(name);
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

const isOfRow = ({ activity }: ItemCall): boolean =>
  activity === 'accord.moveRun' || activity === 'accord.endRun';

const nameOfCall = (call: ItemCall): string => `${call.activity} ${call.request.key}`;

function takenFrom(known: KnownCall[], wanted: string): KnownCall | undefined {
  const at = known.findIndex(({ name }) => name === wanted);
  return at < 0 ? undefined : known.splice(at, 1)[0];
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
