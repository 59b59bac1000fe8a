/**
 * Points at which a drill may hold, kill, fail or repeat a delivery: they sit once in the fence, around the activity, in
 * the relay, the consumer and the start path, so that no flow can forget them. Inert unless a composition root arms them.
 *
 *   FAULTS := fault (';' fault)*      fault := name ':' point ':' kind [':' when]
 *   kind   := throw-retryable | throw-fatal | delay=ms | hang | pause=ms | kill | dup
 *   when   := nth | from-to | p=0..1 | of=<reference>; left out: every time
 *
 * `of` waits for the transaction whose gid ends with that reference, and strikes it once: among all processes that share
 * the folder FAULT_MARKS, in which each such fault leaves its mark. So what was killed is not killed again by its heir.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';

/** `entered`: the fence row is inserted. `beforeAck`: done, and whoever waits for it has not been told. */
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

/** Somewhere in the code that a fault may be armed for. */
export interface FaultPlace {
  readonly name: string;
  /** Those that make sense there. */
  readonly points: readonly FaultPoint[];
  /** What happens there is a delivery, which may come twice: it takes `dup`, at the point `before`. */
  readonly isDelivery: boolean;
}

/** Asked only where a fault waits for a certain transaction. */
type Gids = () => readonly string[];

export interface FaultPoints {
  /** Returns at once where nothing is armed. @param gids whose delivery it is */
  reach(place: string, point: FaultPoint, gids?: Gids): Promise<void>;
}

export interface DeliveryPoints extends FaultPoints {
  /** Delivers once; a second time where a `dup` strikes, as if the first answer had been lost. */
  deliver<Result>(place: string, once: () => Promise<Result>, gids?: Gids): Promise<Result>;
}

/** What production runs with. */
export const inertFaultPoints: DeliveryPoints = {
  reach: () => Promise.resolve(),
  deliver: (_place, once) => once(),
};

/** A fault, as it is written in FAULTS, strikes: told before it does, since it may be the end of the process. */
export interface FiredFault {
  readonly fault: string;
  /** Which visit of the place it was, in this process. */
  readonly visit: number;
}

export interface ArmedFaultPoints extends DeliveryPoints {
  /** How often each fault has fired here: a drill that planned one and fired none proves nothing. */
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
  /** Where processes that share faults leave a mark for each `of=` that fired; left out: each process by itself. */
  readonly marks?: string | undefined;
  readonly onFired?: (fired: FiredFault) => void;
}

/** @throws an error that names the part that is not understood. */
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

  /** The faults that strike this visit; each is told of. */
  const struck = (place: string, gids: Gids): readonly Fault[] => {
    const here = byPlace.get(place);
    if (!here) return [];
    const visit = (visits.get(place) ?? 0) + 1;
    visits.set(place, visit);
    return here.filter(({ text, strikes }) => {
      if (!strikes(visit, gids)) return false;
      fired.set(text, (fired.get(text) ?? 0) + 1);
      arming.onFired?.({ fault: text, visit });
      return true;
    });
  };

  return {
    fired: () => fired,
    async reach(name, point, gids = nobody) {
      for (const { fire } of struck(placeOf(name, point), gids)) if (fire !== 'dup') await fire();
    },
    async deliver(name, once, gids = nobody) {
      const repeats = struck(placeOf(name, 'before', 'dup'), gids).length;
      for (let left = repeats; left > 0; left -= 1) await once();
      return once();
    },
  };
}

const nobody: Gids = () => [];

/** A repeated delivery has visits of its own: each of the two comes by the point `before`. */
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

/** No type from the list: a drill's failure must be told from the product's, and leaves the outcome unknown. */
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

/** The name of a fault's mark in the folder FAULT_MARKS; it holds the pid of the process that was struck. */
export const markOf = (text: string): string => encodeURIComponent(text);

/** @returns whether it is the first: of several processes one strikes. */
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
