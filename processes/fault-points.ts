/**
 * Points at which a drill may hold, kill or fail a delivery: they sit once, in the fence and around the activity, so
 * that no flow can forget them. Inert unless a composition root arms them from FAULTS; then one empty call each.
 *
 *   FAULTS := fault (';' fault)*      fault := name ':' point ':' kind [':' when]
 *   kind   := throw-retryable | throw-fatal | delay=ms | hang | pause=ms | kill
 *   when   := nth | from-to | p=0..1; left out: every time
 */
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';

/** `entered`: the fence row is inserted. `beforeAck`: returned, not yet reported; reached by the activity interceptor. */
export const faultPoints = [
  'before',
  'begun',
  'entered',
  'beforeCommit',
  'afterCommit',
  'beforeAck',
] as const;
export type FaultPoint = (typeof faultPoints)[number];

export interface FaultPoints {
  /** Returns at once where nothing is armed. @param activity `<participant>.<activity>` */
  reach(activity: string, point: FaultPoint): Promise<void>;
}

/** What production runs with. */
export const inertFaultPoints: FaultPoints = { reach: () => Promise.resolve() };

export interface ArmedFaultPoints extends FaultPoints {
  /** How often each fault, as written in FAULTS, has fired: a drill that planned one and fired none proves nothing. */
  fired(): ReadonlyMap<string, number>;
}

type Occurrence = (visit: number) => boolean;

interface Fault {
  readonly text: string;
  readonly name: string;
  readonly point: FaultPoint;
  readonly strikes: Occurrence;
  fire(): Promise<void>;
}

/**
 * @param seed of the p= faults: the same visits are struck again with it.
 * @param names every name that a fault may bear.
 * @throws an error that names the part that is not understood.
 */
export function parseFaults(
  faults: string,
  { seed, names }: { readonly seed: number; readonly names: readonly string[] },
): ArmedFaultPoints {
  const random = randomFrom(seed);
  const armed = faults
    .split(';')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => parseFault(text, names, random));
  const visits = new Map<string, number>();
  const fired = new Map<string, number>(armed.map(({ text }) => [text, 0]));
  return {
    fired: () => fired,
    async reach(activity, point) {
      const place = `${activity}:${point}`;
      const visit = (visits.get(place) ?? 0) + 1;
      visits.set(place, visit);
      for (const fault of armed) {
        if (fault.name !== activity || fault.point !== point || !fault.strikes(visit)) continue;
        fired.set(fault.text, (fired.get(fault.text) ?? 0) + 1);
        await fault.fire();
      }
    },
  };
}

function parseFault(text: string, names: readonly string[], random: () => number): Fault {
  const [name = '', point = '', kind = '', when, ...rest] = text.split(':');
  if (rest.length > 0) throw new Error(`FAULTS: "${text}" has more than four parts.`);
  if (!names.includes(name)) throw new Error(`FAULTS: "${text}" names no known place: "${name}".`);
  const known = faultPoints.find((each) => each === point);
  if (!known) {
    throw new Error(
      `FAULTS: "${text}" has no point "${point}"; points: ${faultPoints.join(', ')}.`,
    );
  }
  return {
    text,
    name,
    point: known,
    strikes: parseWhen(text, when, random),
    fire: parseKind(text, kind),
  };
}

function parseKind(text: string, kind: string): () => Promise<void> {
  const [word, amount] = kind.split('=');
  const milliseconds = Number(amount);
  const isTimed = amount !== undefined && /^\d+$/.test(amount);
  if (word === 'delay' && isTimed) return () => delay(milliseconds);
  if (word === 'pause' && isTimed) return () => pauseOwnProcess(milliseconds);
  switch (kind) {
    case 'throw-retryable':
      return () => Promise.reject(ApplicationFailure.retryable(`Injected: ${text}`, injectedFault));
    case 'throw-fatal':
      return () =>
        Promise.reject(ApplicationFailure.nonRetryable(`Injected: ${text}`, injectedFault));
    case 'hang':
      return () => new Promise(() => undefined);
    case 'kill':
      return () => signalOwnProcess('SIGKILL');
    default:
      throw new Error(
        `FAULTS: "${text}" has no kind "${kind}"; kinds: throw-retryable, throw-fatal, delay=ms, hang, pause=ms, kill.`,
      );
  }
}

/** No type from the list: a drill's failure must be told from the product's, and leaves the outcome unknown. */
const injectedFault = 'InjectedFault';

function parseWhen(text: string, when: string | undefined, random: () => number): Occurrence {
  if (when === undefined) return () => true;
  const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(when) ?? [];
  if (first !== undefined) {
    const from = Number(first);
    const to = Number(last ?? first);
    if (from >= 1 && to >= from) return (visit) => visit >= from && visit <= to;
  }
  const [, share] = /^p=(\d*\.?\d+)$/.exec(when) ?? [];
  const probability = Number(share);
  if (share !== undefined && probability <= 1) return () => random() < probability;
  throw new Error(`FAULTS: "${text}" has no when "${when}"; it is nth, from-to or p=0..1.`);
}

// Stopped, nothing of this process runs: somebody else has to wake it.
async function pauseOwnProcess(milliseconds: number): Promise<void> {
  const wakeUp = `sleep ${milliseconds / 1_000}; kill -CONT ${process.pid}`;
  spawn('sh', ['-c', wakeUp], { detached: true, stdio: 'ignore' }).unref();
  await signalOwnProcess('SIGSTOP');
}

async function signalOwnProcess(signal: 'SIGKILL' | 'SIGSTOP'): Promise<void> {
  process.kill(process.pid, signal);
  await delay(1); // The signal arrives before the next step of the delivery.
}

/** Mulberry32 (T. Ettinger, public domain): small, seeded, good enough to scatter faults. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
