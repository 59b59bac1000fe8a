/**
 * Points at which a drill may hold, kill, fail or repeat a delivery. They exist once each: in the fence, around
 * activities, in the relay, the consumer and the start path. So no flow can lack them. They are inert unless armed.
 *
 *   FAULTS := fault (';' fault)*      fault := name ':' point ':' kind [':' when]
 *   kind   := throw-retryable | throw-fatal | delay=ms | hang | pause=ms | kill | dup
 *   when   := nth | from-to | p=0..1 | of=<reference>; left out: every time
 *
 * `of` waits for the transaction whose gid ends with that reference, and fires once among all processes that share the
 * folder FAULT_MARKS. Each such fault leaves its mark there. So the process that follows a killed one is not killed,
 * too.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';

/** `entered`: the fence row is inserted. `beforeAck`: the work is done, and its caller has no answer yet. */
export const faultPoints = [
  'before',
  'begun',
  'entered',
  'beforeCommit',
  'afterCommit',
  'beforeAck',
] as const;
export type FaultPoint = (typeof faultPoints)[number];

export const faultKinds = [
  'throw-retryable',
  'throw-fatal',
  'delay=ms',
  'hang',
  'pause=ms',
  'kill',
  'dup',
] as const;

/** A place in the code for which a fault may be armed. */
export interface FaultPlace {
  readonly name: string;
  /** Points that exist at this place. */
  readonly points: readonly FaultPoint[];
  /** Whether it is a delivery, which may arrive twice. Then it accepts `dup`, at the point `before`. */
  readonly isDelivery: boolean;
}

/** Called only if a fault waits for a certain transaction. */
type Gids = () => readonly string[];

export interface FaultPoints {
  /** Returns at once if no fault is armed. @param gids transactions of the delivery */
  reach(place: string, point: FaultPoint, gids?: Gids): Promise<void>;
}

export interface DeliveryPoints extends FaultPoints {
  /** Delivers once, and a second time if a `dup` fires, as after a lost first answer. */
  deliver<Result>(place: string, once: () => Promise<Result>, gids?: Gids): Promise<Result>;
}

/** Fault points of production: without any effect. */
export const inertFaultPoints: DeliveryPoints = {
  reach: () => Promise.resolve(),
  deliver: (_place, once) => once(),
};

/** A fault of FAULTS that fires. It is reported before its effect, which may end the process. */
export interface FiredFault {
  readonly fault: string;
  /** Number of the visit of the place, in this process. */
  readonly visit: number;
}

export interface ArmedFaultPoints extends DeliveryPoints {
  /** How often each fault has fired in this process. A drill proves nothing if a planned fault never fired. */
  fired(): ReadonlyMap<string, number>;
}

type Occurrence = (visit: number, gids: Gids) => boolean;

interface Fault {
  readonly text: string;
  readonly name: string;
  readonly point: FaultPoint;
  readonly strikes: Occurrence;
  readonly fire: 'dup' | (() => Promise<void>);
}

export interface Arming {
  /** Seed of the `p=` faults. The same seed makes them fire at the same visits. */
  readonly seed: number;
  /** Every place that a fault may name. */
  readonly places: readonly FaultPlace[];
  /** Folder in which processes leave a mark for each `of=` that fired. Left out: each process counts for itself. */
  readonly marks?: string | undefined;
  readonly onFired?: (fired: FiredFault) => void;
}

/** @throws an error that names the part that cannot be parsed. */
export function parseFaults(faults: string, arming: Arming): ArmedFaultPoints {
  const random = randomFrom(arming.seed);
  const armed = faults
    .split(';')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => parseFault(text, arming, random));
  const byPlace = new Map<string, Fault[]>();
  for (const fault of armed) {
    const place = placeOf(fault.name, fault.point, fault.fire);
    byPlace.set(place, [...(byPlace.get(place) ?? []), fault]);
  }
  const visits = new Map<string, number>();
  const fired = new Map<string, number>(armed.map(({ text }) => [text, 0]));

  /** The faults that fire at this visit, one after another: behind one that throws, none fires. Each is reported. */
  function* struck(place: string, gids: Gids): Generator<Fault> {
    const here = byPlace.get(place);
    if (!here) return;
    const visit = (visits.get(place) ?? 0) + 1;
    visits.set(place, visit);
    for (const fault of here) {
      const { text, strikes } = fault;
      if (!strikes(visit, gids)) continue;
      fired.set(text, (fired.get(text) ?? 0) + 1);
      arming.onFired?.({ fault: text, visit });
      yield fault;
    }
  }

  return {
    fired: () => fired,
    async reach(name, point, gids = nobody) {
      for (const { fire } of struck(placeOf(name, point), gids)) if (fire !== 'dup') await fire();
    },
    async deliver(name, once, gids = nobody) {
      const repeats = [...struck(placeOf(name, 'before', 'dup'), gids)].length;
      for (let left = repeats; left > 0; left -= 1) await once();
      return once();
    },
  };
}

const nobody: Gids = () => [];

/** A repeated delivery has visits of its own: both deliveries pass the point `before`. */
const placeOf = (name: string, point: FaultPoint, fire?: Fault['fire']): string =>
  fire === 'dup' ? `${name}:dup` : `${name}:${point}`;

function parseFault(text: string, arming: Arming, random: () => number): Fault {
  const [name = '', point = '', kind = '', when, ...rest] = text.split(':');
  if (rest.length > 0) throw new Error(`FAULTS: "${text}" has more than four parts.`);
  const place = arming.places.find((each) => each.name === name);
  if (!place) {
    throw new Error(
      `FAULTS: "${text}" names no known place: "${name}". npm run faults lists them.`,
    );
  }
  const known = place.points.find((each) => each === point);
  if (!known) {
    throw new Error(
      `FAULTS: "${text}" has no point "${point}"; ${name} has: ${place.points.join(', ')}.`,
    );
  }
  if (kind === 'dup' && !(place.isDelivery && known === 'before')) {
    throw new Error(`FAULTS: "${text}" repeats nothing: "dup" is for deliveries, at "before".`);
  }
  return {
    text,
    name,
    point: known,
    strikes: parseWhen(text, when, random, arming.marks),
    fire: kind === 'dup' ? kind : parseKind(text, kind),
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
      throw new Error(`FAULTS: "${text}" has no kind "${kind}"; kinds: ${faultKinds.join(', ')}.`);
  }
}

/** Not a failure type of the product: an injected failure must be distinguishable, and leaves the outcome unknown. */
const injectedFault = 'InjectedFault';

function parseWhen(
  text: string,
  when: string | undefined,
  random: () => number,
  marks: string | undefined,
): Occurrence {
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
  const [, reference] = /^of=([\w.-]+)$/.exec(when) ?? [];
  if (reference !== undefined) return onceOf(text, reference, marks);
  throw new Error(
    `FAULTS: "${text}" has no when "${when}"; it is nth, from-to, p=0..1 or of=<reference>.`,
  );
}

function onceOf(text: string, reference: string, marks: string | undefined): Occurrence {
  let isOver = false;
  return (_visit, gids) => {
    if (isOver || !gids().some((gid) => gid.endsWith(`.${reference}`))) return false;
    isOver = true;
    return marks === undefined || leaveMark(marks, text);
  };
}

/** File name of a fault's mark in the folder FAULT_MARKS. The file has the pid of the process in which it fired. */
export const markOf = (text: string): string => encodeURIComponent(text);

/** @returns whether the mark is new: only one of several processes gets `true`. */
function leaveMark(marks: string, text: string): boolean {
  try {
    writeFileSync(join(marks, markOf(text)), String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === code;

// A stopped process cannot wake itself, so another process does it.
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
