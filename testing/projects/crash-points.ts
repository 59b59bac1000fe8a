/**
 * Crash points of a project: at each fault point of each operation of its participants the worker is killed, and the
 * attempt fails, in a transaction of its own. What there is follows from the operations that the project declares.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Application } from '../../contracts/engine/application';
import { faultPoints, type FaultPoint } from '../../runtime/faults/points';
import { createFleet, type Fleet } from '../crash-points/fleet';
import type { ProjectEnvironment } from './environment';
import type { Starts } from './starts';

interface Case {
  readonly activity: string;
  readonly point: FaultPoint;
  readonly crash: 'kill' | 'throw';
  /** Undo and seal are met where the decision fails. */
  readonly isUndone: boolean;
}
export interface PlayedCase extends Case {
  readonly gid: string;
  readonly ending: string;
  /** `not proven`: the fault was not seen, so nothing is known. */
  readonly outcome: 'proven' | 'violated' | 'not proven';
}

/** The application of the installed project, by its own copy of Accord. */
export function applicationOf(folder: string): Application {
  const load = createRequire(join(folder, 'package.json'));
  const { project } = load('./accord.config.js') as { project: { application: Application } };
  return project.application;
}

const casesOf = ({ operations, reserving }: Application): readonly Case[] =>
  [...operations.values()]
    .filter(({ participant }) => reserving.includes(participant))
    .flatMap(({ type, verb }) =>
      faultPoints.flatMap((point) =>
        (['kill', 'throw'] as const).map((crash) => ({
          ...{ activity: type, point, crash },
          isUndone: verb === 'undo' || verb === 'seal',
        })),
      ),
    );

/** The act that decides the flow: its failure leaves the outcome unknown, so it is sealed, and all is undone. */
function decidingAct({ flows }: Application, flow: string): string {
  const pivot = Object.values(flows[flow]?.steps ?? {}).find(({ wording }) => wording === 'pivot');
  return pivot?.act.type ?? 'accord.decide';
}

const workers = 2;
/** A delivery that was no longer at its point when its process was killed proves nothing: it is played again. */
const roundsMax = 6;

/** @param flow whose transactions meet the operations. @param first serial of the starts. */
export async function playProjectCrashPoints(
  environment: ProjectEnvironment,
  {
    flow,
    starts,
    first,
  }: { readonly flow: string; readonly starts: Starts; readonly first: number },
): Promise<{ readonly played: readonly PlayedCase[]; readonly kills: number }> {
  const application = applicationOf(environment.folder);
  const planted = decidingAct(application, flow);
  const folder = mkdtempSync(join(tmpdir(), 'accord-crash-'));
  const fleet = createFleet(environment, { folder, workers });
  const played: PlayedCase[] = [];
  let serial = first;
  try {
    let left = casesOf(application);
    for (let round = 0; round < roundsMax && left.length > 0; round += 1) {
      const attempts = left.map((one) => {
        serial += 1;
        return armed(one, serial, planted);
      });
      const answers = await playRound(fleet, starts, attempts);
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
    planted: one.isUndone ? [`${planted}:before:throw-fatal:of=${reference}`] : [],
  };
}

async function playRound(
  fleet: Fleet,
  starts: Starts,
  attempts: readonly Attempt[],
): Promise<readonly PlayedCase[]> {
  await fleet.arm(attempts.flatMap(({ fault, planted }) => [fault, ...planted]));
  const reaper = fleet.reap();
  const answers = await Promise.all(
    attempts.map(async ({ one, n, reference, fault }) => {
      const started = await starts.start(reference, n);
      return { one, fault, gid: started.gid, ending: await starts.ending(started) };
    }),
  );
  await reaper.stop();
  const fired = fleet.fired();
  return answers.map(({ one, fault, gid, ending }) => {
    const isSeen = one.crash === 'kill' ? fleet.killed.has(fault) : fired.has(fault);
    const isRight = ending === (one.isUndone ? 'compensated' : 'completed');
    // The process was killed by another crash point just after the planted failure, so its worker could not report it:
    // nothing was undone.
    const wasPlantLost = one.isUndone && ending === 'completed' && !fired.has(fault);
    const outcome =
      !isRight && !wasPlantLost ? 'violated' : isRight && isSeen ? 'proven' : 'not proven';
    return { ...one, gid, ending, outcome };
  });
}
