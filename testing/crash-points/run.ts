/** Plays every crash point on real processes, and looks at what became of its transaction. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { z } from 'zod';

import { scopes } from '../../api/http/scopes';
import { checkInvariants, type Violation } from '../verify/verification';
import { authorizationOf } from '../environment/credentials';
import type { LaneMode } from '../../api/transactions/lanes';
import type { Stack } from '../stack/stack';
import { pause } from '../../runtime/waiting';
import {
  openIsolatedEnvironment,
  type IsolatedEnvironment,
} from '../environment/isolated-environment';
import {
  crashPointsOf,
  faultsOf,
  isStop,
  plantedActs,
  pointsOf,
  verbOf,
  type CrashPoint,
  type Faults,
  type Only,
  type Way,
} from './cases';
import { plantedFaults } from './planted';
import { calledBehindFailure, wasRepeated } from './repeated';
import type { History, HistoryEvent } from '../replay/history';
import { fetchHistory } from '../replay/sources';
import { createFleet, type Fleet } from './fleet';
import { seedDay, seedStarts, startOf, tenant, type PlannedStart } from './starts';

export interface CrashOptions {
  /** `batch`: each transaction is a batch of one. */
  readonly lane: LaneMode;
  readonly stack: Stack;
  readonly ways: readonly Way[];
  readonly only?: Only;
  /** Worker processes. */
  readonly workers: number;
  /** Rejects when the caller is interrupted. */
  readonly interrupted?: Promise<never>;
  readonly say: (line: string) => void;
}

/**
 * `proven`: the crash was seen to happen, its delivery came again, and the transaction ended. `violated`: it did not
 * end, or parked. `not proven`: the fault was not seen, so nothing is known.
 */
export type Outcome = 'proven' | 'violated' | 'not proven';

export interface PlayedPoint {
  readonly point: CrashPoint;
  readonly gid: string;
  /** State of the run. `null`: it has not ended. */
  readonly state: string | null;
  readonly outcome: Outcome;
  /** Why it is not proven, or violated. */
  readonly detail: string | null;
  /** Zombies only: the act reached the fence after its undo, and the fence refused it. */
  readonly wasFenced: boolean;
}

export interface CrashReport {
  readonly played: readonly PlayedPoint[];
  readonly kills: number;
  readonly books: { readonly asked: number; readonly violations: readonly Violation[] };
  readonly seconds: number;
}

/** Transactions under way at one time: each holds at most one delivery, of forty that a worker has. */
const underWayMax = 40;
/**
 * When no transaction has ended for this long, those under way will not end. It is not a limit for one transaction:
 * that would measure the speed of the machine.
 */
const endsWithinMs = 240_000;
/**
 * Temporal decides which worker takes a delivery. So each round reaches only a part of the zombies; the more there are,
 * the smaller the part.
 */
const roundsMax = 24;
const lookEveryMs = 250;
const sayEveryMs = 15_000;

/** A crash point with the transaction that meets it. */
interface Attempt extends PlannedStart {
  readonly point: CrashPoint;
  readonly faults: Faults;
}

export async function playCrashPoints(options: CrashOptions): Promise<CrashReport> {
  const began = Date.now();
  const folder = mkdtempSync(join(tmpdir(), 'accord-crash-'));
  const isolated = await openIsolatedEnvironment({
    ...{ stack: options.stack, kind: 'crash' },
    site: { variables: { LANES: options.lane } },
  });
  const fleet = createFleet(isolated, { folder, workers: options.workers });
  try {
    const playing = playAll(isolated, fleet, options);
    const { played, books } = await Promise.race([
      playing,
      ...(options.interrupted ? [options.interrupted] : []),
    ]);
    const seconds = Math.round((Date.now() - began) / 1_000);
    return { played, kills: fleet.kills, books, seconds };
  } finally {
    await fleet.close();
    await isolated.application.stop('api');
    await isolated.close();
    rmSync(folder, { recursive: true });
  }
}

async function playAll(
  isolated: IsolatedEnvironment,
  fleet: Fleet,
  options: CrashOptions,
): Promise<Pick<CrashReport, 'played' | 'books'>> {
  const game = await openGame(isolated, fleet, options);
  const points = await game.pointsAfterRehearsal();
  const crashing = await game.play(points.filter(({ crash }) => !isStop(crash)));
  const stopped = await game.playStops(points.filter(({ crash }) => isStop(crash)));
  options.say('Running the checks …');
  const { asked, violations } = await checkInvariants(isolated.urls.VERIFY_DATABASE_URLS);
  return {
    played: [...crashing, ...stopped].map((one) => blamed(one, violations)),
    books: { asked, violations },
  };
}

/** An oracle that names the transaction speaks of its crash point. */
function blamed(played: PlayedPoint, violations: readonly Violation[]): PlayedPoint {
  const found = violations.find(({ row }) => JSON.stringify(row).includes(`"${played.gid}`));
  return found ? { ...played, outcome: 'violated', detail: found.oracle } : played;
}

async function openGame(
  isolated: IsolatedEnvironment,
  fleet: Fleet,
  { ways, only, lane, say }: CrashOptions,
) {
  await seedStarts(isolated);
  // Velocity would have every payer looked at after twenty payments.
  const RISK_POLICY = JSON.stringify({ velocity: { windowMs: 3_600_000, max: 10_000, score: 50 } });
  await isolated.application.start('api', 'api', { RISK_POLICY, STARTS_PER_SECOND: '100000' });
  const authorization = await authorizationOf(isolated.urls.API_DATABASE_URL, {
    tenant,
    owner: 'crash-points',
    scopes,
  });
  let serial = 0;
  const firstOwners = new Map<string, string>();

  async function planned(way: Way): Promise<PlannedStart> {
    serial += 1;
    const own = serial;
    if (way === 'settlement') await seedDay(isolated, own);
    return startOf(way, own);
  }

  /** 202, or the answer that it is there already: a start is repeated until it is known. */
  async function post(path: string, body: object, key: string): Promise<void> {
    for (;;) {
      const answer = await fetch(`${isolated.application.apiUrl}${path}`, {
        method: 'POST',
        headers: { authorization, 'idempotency-key': key, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }).catch(() => undefined);
      if (answer?.ok) return;
      const text = await answer?.text();
      if (answer && answer.status < 500 && !retryableIn(text))
        throw new Error(`${path}: ${answer.status} ${text}`);
      await pause(lookEveryMs);
    }
  }

  const statesOf = async (gids: readonly string[]): Promise<ReadonlyMap<string, string>> => {
    if (gids.length === 0) return new Map();
    const rows = await isolated.sql<{ gid: string; state: string }>(
      'accord',
      `SELECT gid, state FROM runs WHERE gid IN (?) AND (ended_at IS NOT NULL OR state = 'parked')`,
      [gids],
    );
    return new Map(rows.map(({ gid, state }) => [gid, state]));
  };

  /** A crash behind its last commit comes when its row has ended already; nothing comes after the run itself. */
  async function isOver(gid: string, state: string): Promise<boolean> {
    if (state === 'parked') return true; // A person is waited for.
    const [owner = gid] = await ownersOf(gid);
    const { status } = await isolated.temporal.workflow.getHandle(owner).describe();
    return status.name !== 'RUNNING';
  }

  /** Starts all, not too many at one time, and waits until they are over. @returns the state of each that is. */
  async function startAll(
    starts: readonly Omit<PlannedStart, 'before'>[],
  ): Promise<ReadonlyMap<string, string>> {
    const queue = [...starts];
    const underWay = new Set<string>();
    const ended = new Map<string, string>();
    let [saidAt, movedAt] = [Date.now(), Date.now()];
    while (queue.length > 0 || underWay.size > 0) {
      const next = queue.splice(0, underWayMax - underWay.size);
      for (const { gid } of next) underWay.add(gid);
      if (next.length > 0) movedAt = Date.now();
      await Promise.all(next.map(({ path, body, gid }) => post(path, body, gid)));
      for (const { gid } of next) firstOwners.set(gid, (await ownersOf(gid))[0] ?? gid);
      for (const [gid, state] of await statesOf([...underWay])) {
        if (!(await isOver(gid, state))) continue;
        ended.set(gid, state);
        underWay.delete(gid);
        movedAt = Date.now();
      }
      // What is left has no ending, which is seen: how long one takes says nothing while others of its round still end.
      if (Date.now() - movedAt > endsWithinMs) underWay.clear();
      if (underWay.size > 0) await pause(lookEveryMs);
      if (Date.now() - saidAt < sayEveryMs) continue;
      saidAt = Date.now();
      say(`  ${ended.size} of ${starts.length} have ended, ${fleet.kills} processes killed`);
    }
    return ended;
  }

  async function prepared(attempts: readonly PlannedStart[]): Promise<void> {
    const before = attempts.flatMap((attempt) => attempt.before ?? []);
    if (before.length === 0) return;
    const states = await startAll(before.map((start) => ({ ...start, reference: '' })));
    const wrong = before.find(({ gid }) => states.get(gid) !== 'completed');
    if (wrong) throw new Error(`${wrong.gid} should be completed first.`);
  }

  /** What the real thing calls after each of its acts has failed for good. */
  async function pointsAfterRehearsal(): Promise<readonly CrashPoint[]> {
    say('Rehearsing the undo calls …');
    // In a batch no act is undone whose outcome is not known: the transaction leaves, and its own run tries it again.
    const failing = (way: Way) => (lane === 'batch' ? [] : plantedActs(way));
    const rehearsals = await Promise.all(
      ways.flatMap((way) =>
        failing(way).map(async (act) => ({ way, act, start: await planned(way) })),
      ),
    );
    await fleet.arm(rehearsals.flatMap(({ act, start }) => plantedFaults(act, start.reference)));
    await prepared(rehearsals.map(({ start }) => start));
    await startAll(rehearsals.map(({ start }) => start));
    const called = new Map<string, readonly string[]>();
    for (const { way, act, start } of rehearsals) {
      called.set(`${way} ${act}`, [...new Set(calledBehindFailure(await historyOf(start.gid)))]);
    }
    return ways.flatMap((way) =>
      crashPointsOf(
        way,
        new Map(plantedActs(way).map((act) => [act, called.get(`${way} ${act}`) ?? []])),
        only,
      ),
    );
  }

  /** The history of the workflow that ended it, and that of the batch that it has left. */
  async function historyOf(gid: string): Promise<History> {
    const events: HistoryEvent[] = [];
    for (const owner of await ownersOf(gid))
      events.push(...(await fetchHistory(isolated.temporal, owner)).history.events);
    return { events };
  }

  /** Workflow ids of its owners, the latest one first. */
  async function ownersOf(gid: string): Promise<readonly string[]> {
    const [row] = await isolated.sql<{ owner: string }>(
      'accord',
      'SELECT owner FROM runs WHERE gid = ?',
      [gid],
    );
    const before = firstOwners.get(gid);
    const now = row?.owner ?? gid;
    return before === undefined || before === now ? [now] : [now, before];
  }

  /** What is known about an attempt whose transaction is over. */
  async function judged(
    { point, gid, faults }: Attempt,
    state: string | undefined,
    wasSeen: boolean,
  ): Promise<PlayedPoint> {
    const played = { point, gid, state: state ?? null, wasFenced: await wasFenced(point, gid) };
    if (state !== 'completed' && state !== 'compensated') {
      return { ...played, outcome: 'violated', detail: state ?? 'it has not ended' };
    }
    const fired = fleet.fired();
    if (!fired.has(faults.crash)) return { ...played, outcome: 'not proven', detail: 'no crash' };
    if (!faults.planted.every((fault) => fired.has(fault)))
      return { ...played, outcome: 'not proven', detail: 'nothing had to be undone' };
    if (!wasSeen) return { ...played, outcome: 'not proven', detail: 'it went on by itself' };
    const cameAgain = wasRepeated(await historyOf(gid), point.activity);
    // A zombie whose sibling failed is cancelled, and given up without another attempt.
    if (!cameAgain && point.crash !== 'zombie')
      return { ...played, outcome: 'not proven', detail: 'it came once' };
    if (await wasForgotten(point, gid))
      return { ...played, outcome: 'violated', detail: 'its fence row counts one delivery' };
    return { ...played, outcome: 'proven', detail: null };
  }

  /**
   * A delivery that was committed before the crash, and came again, is counted by the fence: of acts, undos and seals.
   * An undo of an act that happened is the second at least, so its repetition is the third.
   */
  async function wasForgotten({ activity, point }: CrashPoint, gid: string): Promise<boolean> {
    const [participant = ''] = activity.split('.');
    const verb = verbOf(activity);
    const isCommitted = point === 'afterCommit' || point === 'beforeAck';
    if (
      !isCommitted ||
      verb === undefined ||
      verb === 'confirm' ||
      !pointsOf(activity).includes('entered')
    )
      return false;
    const counted = await isolated.sql(
      participant as 'accounts', // Every participant is a database.
      `SELECT branch FROM fence WHERE gid = ? AND deliveries >= IF(? = 'undo' AND state = 'undone', 3, 2)`,
      [gid, verb],
    );
    return counted.length === 0;
  }

  /** Held before its act, a zombie makes one delivery more than the undo, and the other attempt where there was one. */
  async function wasFenced({ activity, point, crash }: CrashPoint, gid: string): Promise<boolean> {
    const [participant = ''] = activity.split('.');
    if (crash !== 'zombie' || point !== 'before') return false;
    const counted = await isolated.sql(
      participant as 'accounts', // Every participant is a database.
      `SELECT branch FROM fence WHERE gid = ? AND state IN ('undone', 'empty') AND deliveries > IF(state = 'empty', 1, 2)`,
      [gid],
    );
    return counted.length > 0;
  }

  const attemptsAt = (round: readonly CrashPoint[]): Promise<readonly Attempt[]> =>
    Promise.all(
      round.map(async (point) => {
        const start = await planned(point.way);
        return { ...start, point, faults: faultsOf(point, start.reference) };
      }),
    );

  /** Plays points again whose crash was not seen, so often that chance alone leaves none. */
  async function untilSeen(
    all: readonly CrashPoint[],
    playRound: (round: readonly CrashPoint[]) => Promise<readonly PlayedPoint[]>,
  ): Promise<readonly PlayedPoint[]> {
    const done: PlayedPoint[] = [];
    let open = all;
    for (let round = 1; round <= roundsMax && open.length > 0; round += 1) {
      const played = await playRound(open);
      const again = round < roundsMax ? played.filter(isUnseen) : [];
      done.push(...played.filter((one) => !again.includes(one)));
      open = again.map(({ point }) => point);
      if (open.length > 0) say(`  ${open.length} did not happen, and are played again`);
    }
    return done;
  }
  const isUnseen = ({ outcome }: PlayedPoint): boolean => outcome === 'not proven';

  return {
    pointsAfterRehearsal,

    /** Kills and failures. */
    play: (all: readonly CrashPoint[]) =>
      untilSeen(all, async (round) => {
        say(`Playing ${round.length} crash points …`);
        const attempts = await attemptsAt(round);
        await fleet.arm(attempts.flatMap(({ faults }) => [faults.crash, ...othersOf(faults)]));
        await prepared(attempts);
        const reaper = fleet.reap();
        const failing = attempts.filter(({ point }) => point.crash !== 'kill');
        const killing = attempts.filter(({ point }) => point.crash === 'kill');
        const states = await startAll([...failing, ...killing]).finally(() => reaper.stop());
        return mapInTurn(attempts, (attempt) =>
          judged(
            attempt,
            states.get(attempt.gid),
            attempt.point.crash !== 'kill' || fleet.killed.has(attempt.faults.crash),
          ),
        );
      }),

    /** The first worker is stopped while it holds them, and goes on when the others have ended them. */
    playStops: (all: readonly CrashPoint[]) =>
      untilSeen(all, async (round) => {
        say(`Playing ${round.length} zombies and stalls …`);
        const attempts = (await attemptsAt(round)).slice(0, underWayMax);
        await fleet.arm(
          attempts.flatMap(({ faults }) => othersOf(faults)),
          attempts.map(({ faults }) => faults.crash),
        );
        await prepared(attempts);
        const crash = new Set(attempts.map(({ faults }) => faults.crash));
        const ending = startAll(attempts);
        ending.catch(() => undefined); // It is awaited below.
        const stopped = new Set(
          await fleet.stopFirst((fault) => crash.has(fault), endsWithinMs / 10),
        );
        const stoppedGids = attempts.flatMap(({ gid, faults }) =>
          stopped.has(faults.crash) ? gid : [],
        );
        const undone = await untilEnded(stoppedGids);
        fleet.continueFirst();
        await pause(zombieEndsWithinMs);
        const states = await ending;
        const played = await mapInTurn(attempts, (attempt) =>
          judged(attempt, states.get(attempt.gid), undone.has(attempt.gid)),
        );
        const left = round.slice(attempts.length).map((point): PlayedPoint => ({
          point,
          gid: '',
          state: null,
          outcome: 'not proven',
          detail: 'not played',
          wasFenced: false,
        }));
        return [...played, ...left];
      }),
  };

  /** @returns the states of those that have ended by then. */
  async function untilEnded(gids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const deadline = Date.now() + endsWithinMs;
    let states = await statesOf(gids);
    while (states.size < gids.length && Date.now() < deadline) {
      await pause(lookEveryMs);
      states = await statesOf(gids);
    }
    return states;
  }
}

const problemSchema = z.looseObject({ retryable: z.boolean() });
/** Reads `retryable` from a problem of the API. */
const retryableIn = (text = ''): boolean => problemSchema.parse(JSON.parse(text)).retryable;

/** What a zombie can still do, it does within an attempt's time. */
const zombieEndsWithinMs = 3_000;

const othersOf = ({ planted, remote }: Faults): readonly string[] =>
  remote === null ? planted : [...planted, remote];

async function mapInTurn<Item, Result>(
  items: readonly Item[],
  map: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await map(item));
  return results;
}
