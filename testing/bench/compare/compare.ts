/** Arms in turn, round after round, each at its own number in flight; then every transfer of all rounds is counted. */
import { reasonOf } from '../../../runtime/waiting';
import { interruption } from '../../environment/interruption';
import type { Profile } from '../../stack/profile';
import { figuresOf } from '../load/figures';
import type { Played } from '../load/caller';
import { runClosedLoop, type Sample } from '../load/generator';
import { cpuMsPerTransaction, meterOf } from '../meter';
import type { Arm, Ground, OpenArm, Surroundings, Wrong } from './arm';
import { medianTurn, orderOf, type Turn } from './figures';

export interface ArmFigures extends Turn {
  readonly name: string;
  readonly title: string;
  readonly version: string;
  readonly inFlight: number;
  /** All that it did, in every round and warm-up. */
  readonly transfers: number;
  readonly turns: readonly Turn[];
  /** Milliseconds of CPU a transfer, by process, in the last round. */
  readonly cpu: Readonly<Record<string, number>>;
  readonly wrong: readonly Wrong[];
  readonly violations: number;
}

export interface Times {
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** An arm that is up, and what it has done so far. */
interface Runner {
  readonly arm: Arm;
  readonly open: OpenArm;
  readonly played: Played[];
  readonly turns: Turn[];
  cpu: Readonly<Record<string, number>>;
}

/** Compilers, pools and plans are cold once: the first warm-up of an arm is longer. */
const coldFactor = 3;

export async function measureArms(
  arms: readonly Arm[],
  ground: Surroundings,
  profile: Profile,
  { rounds, ...times }: Times & { readonly rounds: number },
): Promise<readonly ArmFigures[]> {
  return withArms(arms, ground, async (runners) => {
    for (let round = 0; round < rounds; round += 1) {
      for (const runner of orderOf(runners, round)) {
        const cold = round === 0 ? coldFactor : 1;
        const warmUpSeconds = times.warmUpSeconds * cold;
        const turn = await playTurn(runner, profile, runner.arm.inFlight, {
          ...times,
          warmUpSeconds,
        });
        runner.turns.push(turn);
        ground.say(
          `  round ${round + 1} of ${rounds}, ${runner.arm.name}, ${runner.arm.inFlight} in flight: ${turn.perSecond.toFixed(1)}/s, p50 ${turn.p50} ms`,
        );
      }
    }
    ground.say('Counting every transfer …');
    return Promise.all(runners.map(figuresOfArm));
  });
}

export interface Sweep {
  readonly name: string;
  readonly inFlight: number;
  readonly turn: Turn;
}

/** Each arm at each number in flight, once: how its best number was found. */
export async function sweepArms(
  arms: readonly Arm[],
  ground: Surroundings,
  profile: Profile,
  times: Times,
  numbers: readonly number[],
): Promise<readonly Sweep[]> {
  return withArms(arms, ground, async (runners) => {
    const found: Sweep[] = [];
    for (const runner of runners) {
      for (const inFlight of numbers) {
        const turn = await playTurn(runner, profile, inFlight, times);
        found.push({ name: runner.arm.name, inFlight, turn });
        ground.say(`  ${runner.arm.name}, ${inFlight} in flight: ${turn.perSecond.toFixed(1)}/s`);
        const failed = runner.played.find(({ ending }) => ending !== 'completed');
        if (failed) throw new Error(`${runner.arm.name} failed: ${failed.ending}`);
      }
    }
    return found;
  });
}

/** Opens them one by one, and undoes whatever they have begun. */
async function withArms<Result>(
  arms: readonly Arm[],
  ground: Surroundings,
  work: (runners: readonly Runner[]) => Promise<Result>,
): Promise<Result> {
  const endings: (() => unknown)[] = [];
  const whole: Ground = { ...ground, atEnd: (ending) => void endings.push(ending) };
  const interrupted = interruption();
  interrupted.catch(() => undefined); // Whoever waits for it at that time is told.
  const runners: Runner[] = [];
  let opening: Promise<unknown> = Promise.resolve();
  try {
    for (const arm of arms) {
      ground.say(`Starting ${arm.name} …`);
      const coming = arm.open(whole);
      opening = coming;
      const open = await Promise.race([coming, interrupted]);
      runners.push({ arm, open, played: [], turns: [], cpu: {} });
    }
    return await Promise.race([work(runners), interrupted]);
  } finally {
    await opening.catch(() => undefined); // What it is still starting must be stopped as well.
    for (const ending of endings.reverse()) {
      try {
        await ending();
      } catch (error) {
        ground.say(reasonOf(error)); // It keeps nothing else from its end, and is no verdict.
      }
    }
  }
}

async function playTurn(
  runner: Runner,
  profile: Profile,
  inFlight: number,
  { warmUpSeconds, seconds }: Times,
): Promise<Turn> {
  const { open, played } = runner;
  const first = played.length; // A number is one transfer, in all rounds.
  const samples: Sample[] = [];
  const fromMs = warmUpSeconds * 1_000;
  const toMs = fromMs + seconds * 1_000;
  const meter = meterOf(profile, open.processes);
  const marks: ReadonlyMap<string, number>[] = [];
  const timers = [fromMs, toMs].map((ms) =>
    setTimeout(() => {
      meter.look();
      marks.push(meter.used());
    }, ms),
  );
  const play = async (at: number): Promise<Played> => {
    const one = await open.play(first + at);
    played.push(one);
    return one;
  };
  const note = (sample: Sample): void => void samples.push(sample);
  const sender = { play, note, mustBeRefused: () => false, isStopped: () => false };
  const bounds = { inFlight, transactions: Infinity, milliseconds: toMs };
  await runClosedLoop(bounds, performance.now(), sender);
  for (const timer of timers) clearTimeout(timer);
  const { perSecond, ended, ending } = figuresOf(samples, { fromMs, toMs });
  const [before = new Map<string, number>(), after = meter.used()] = marks;
  const own = [...after]
    .filter(([name]) => name === 'bench' || open.processes.includes(name))
    .map(([name, all]) => [name, all - (before.get(name) ?? 0)] as const);
  runner.cpu = cpuMsPerTransaction(new Map(own), ended);
  return {
    perSecond,
    p50: ending.p50,
    p99: ending.p99,
    cpuMsPerTransaction: runner.cpu['all'] ?? 0,
  };
}

async function figuresOfArm({ arm, open, played, turns, cpu }: Runner): Promise<ArmFigures> {
  const failed = played.filter(({ ending }) => ending !== 'completed');
  const wrong = [
    { name: 'transfers that did not complete', count: failed.length },
    ...(await open.check(played)),
  ];
  return {
    ...medianTurn(turns),
    ...{ name: arm.name, title: arm.title, version: open.version, inFlight: arm.inFlight },
    ...{ transfers: played.length, turns, cpu, wrong },
    violations: wrong.reduce((all, { count }) => all + count, 0),
  };
}
