/**
 * Crash points of a project: at each fault point of each operation that a flow may call, the worker is killed, and the
 * attempt fails, in a transaction of its own. What there is follows from the steps that the flow declares.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Application } from '../../contracts/engine/application';
import type { Flow } from '../../contracts/engine/ids';
import { faultPoints, type FaultPoint } from '../../runtime/faults/points';
import { plantedFaults } from '../crash-points/planted';
import { createFleet, type Fleet } from '../crash-points/fleet';
import type { ProjectEnvironment } from './environment';
import type { Starts } from './samples';

interface Case {
  readonly activity: string;
  readonly point: FaultPoint;
  readonly crash: 'kill' | 'throw';
  /** Undo and seal are met where the decision fails. */
  readonly isUndone: boolean;
}
export type CaseOutcome = 'proven' | 'violated' | 'not proven';
export interface PlayedCase extends Case {
  readonly flow: Flow;
  readonly gid: string;
  readonly ending: string;
  /** `not proven`: the fault was not seen, so nothing is known. */
  readonly outcome: CaseOutcome;
}

/** Operations of steps that a run may begin. No sample calls those of retired steps and of Accord itself. */
export function casesOf({ flows, reserving }: Application, flow: Flow): readonly Case[] {
  const steps = Object.values(flows[flow]?.steps ?? {});
  const called = steps
    .filter(({ wording }) => wording !== 'retired')
    .flatMap(({ act, undo, seal, confirm }) => [act, undo, seal, confirm])
    .filter((operation) => operation !== null)
    .filter(({ participant }) => reserving.includes(participant));
  const operations = new Map(called.map((operation) => [operation.type, operation]));
  return [...operations.values()].flatMap(({ type, verb }) =>
    faultPoints.flatMap((point) =>
      (['kill', 'throw'] as const).map((crash) => ({
        ...{ activity: type, point, crash },
        isUndone: verb === 'undo' || verb === 'seal',
      })),
    ),
  );
}

/** The act that decides the flow: its failure leaves the outcome unknown, so it is sealed, and all is undone. */
export function decidingAct({ flows }: Application, flow: Flow): string {
  const pivot = Object.values(flows[flow]?.steps ?? {}).find(({ wording }) => wording === 'pivot');
  return pivot?.act.type ?? 'accord.decide';
}

/** What was seen of one case: how its transaction ended, and which faults struck. */
export interface Seen {
  readonly ending: string;
  /** The worker was killed at the point, or the attempt failed there. */
  readonly isHit: boolean;
}

export function outcomeOf(isUndone: boolean, { ending, isHit }: Seen): CaseOutcome {
  const isRight = ending === (isUndone ? 'compensated' : 'completed');
  // The process was killed just after the planted failure, by another crash point or, behind a local attempt, by this
  // one: nobody had reported it, so nothing was undone. The checks of the books tell a wrong ending.
  const wasPlantLost = isUndone && ending === 'completed';
  if (!isRight && !wasPlantLost) return 'violated';
  return isRight && isHit ? 'proven' : 'not proven';
}

const workers = 2;
/** A delivery that was no longer at its point when its process was killed proves nothing: it is played again. */
const roundsMax = 10;

export interface CrashPlay {
  readonly application: Application;
  /** Whose transactions meet the operations. */
  readonly flow: Flow;
  readonly starts: Starts;
  /** Number of the first start. */
  readonly first: number;
  readonly say: (sentence: string) => void;
}

/** @returns every case with its last outcome, and the number of processes that were killed. */
export async function playProjectCrashPoints(
  environment: Pick<ProjectEnvironment, 'application'>,
  { application, flow, starts, first, say }: CrashPlay,
): Promise<{ readonly played: readonly PlayedCase[]; readonly kills: number }> {
  const planted = decidingAct(application, flow);
  const folder = mkdtempSync(join(tmpdir(), 'accord-crash-'));
  const fleet = createFleet(environment, { folder, workers });
  const played: PlayedCase[] = [];
  let serial = first - 1;
  try {
    let left = casesOf(application, flow);
    for (let round = 0; round < roundsMax && left.length > 0; round += 1) {
      say(`${flow}: ${left.length} crash points, round ${round + 1} of at most ${roundsMax} …`);
      const attempts = left.map((one) => {
        serial += 1;
        return armed(one, serial, planted);
      });
      const answers = await playRound(fleet, { flow, starts, attempts });
      played.push(...answers.filter(({ outcome }) => outcome !== 'not proven'));
      const missed = answers.filter(({ outcome }) => outcome === 'not proven');
      if (round === roundsMax - 1) played.push(...missed);
      left = missed;
    }
    return { played, kills: fleet.kills };
  } finally {
    await fleet.close();
    rmSync(folder, { recursive: true });
  }
}

/** A case with the transaction that meets it, and the faults that wait for it. */
interface Attempt {
  readonly one: Case;
  readonly n: number;
  readonly reference: string;
  readonly fault: string;
  readonly planted: readonly string[];
}

function armed(one: Case, n: number, planted: string): Attempt {
  const reference = `crash-${n}`;
  const kind = one.crash === 'kill' ? 'hang' : 'throw-retryable'; // The test kills the process that hangs.
  return {
    ...{ one, n, reference },
    fault: `${one.activity}:${one.point}:${kind}:of=${reference}`,
    planted: one.isUndone ? plantedFaults(planted, reference) : [],
  };
}

interface Round extends Pick<CrashPlay, 'flow' | 'starts'> {
  readonly attempts: readonly Attempt[];
}

async function playRound(
  fleet: Fleet,
  { flow, starts, attempts }: Round,
): Promise<readonly PlayedCase[]> {
  await fleet.arm(attempts.flatMap(({ fault, planted }) => [fault, ...planted]));
  const reaper = fleet.reap();
  try {
    const answers = await Promise.all(
      attempts.map(async ({ one, n, reference, fault }) => {
        const started = await starts.start(reference, n);
        return { one, fault, gid: started.gid, ending: await starts.ending(started) };
      }),
    );
    await reaper.stop();
    const fired = fleet.fired();
    return answers.map(({ one, fault, gid, ending }) => {
      const isHit = one.crash === 'kill' ? fleet.killed.has(fault) : fired.has(fault);
      const outcome = outcomeOf(one.isUndone, { ending, isHit });
      return { ...one, flow, gid, ending, outcome };
    });
  } finally {
    await reaper.stop();
  }
}
