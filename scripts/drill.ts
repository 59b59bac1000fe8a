/**
 * npm run drill: a cluster of two regions under load loses one of them, as often as is asked for, and what was
 * acknowledged is counted.
 */
import { Argument, Command, InvalidArgumentError, Option } from 'commander';

import { conclude, jsonOption, reportTo, runCommandAndLeave, say, type JsonTarget } from './report';
import { machineOf } from '../testing/bench/machine';
import {
  brokenRegions,
  regionBreakNames,
  regionBreaks,
  type RegionBreak,
} from '../testing/drills/breaks';
import {
  drillKinds,
  fewLostRuns,
  heldAt,
  lostRuns,
  lostRunFaults,
  type DrillKind,
  type LostRun,
} from '../testing/drills/plans';
import { runDrills } from '../testing/drills/drills';
import { bringUpCluster } from '../testing/drills/cluster';
import { openOperators } from '../testing/drills/operators';
import { printDrills, reportOf, verdictOf } from '../testing/drills/report';
import { reset, takeDown } from '../testing/stack/stack';

interface Options {
  readonly times: number;
  readonly json?: JsonTarget;
  readonly keep?: boolean;
  readonly untimed?: boolean;
  readonly at?: string;
  readonly fault?: LostRun['plan'];
  readonly all?: boolean;
  readonly break?: RegionBreak;
}

const workers = 2;

runCommandAndLeave(
  new Command('drill')
    .description(
      'Loses a region under load, switches to the other one, and brings the lost one back.',
    )
    .addArgument(new Argument('<kinds...>', 'drills, in this order').choices(drillKinds))
    .option('--times <number>', 'number of repetitions', timesOf, 1)
    .addOption(jsonOption())
    .option('--keep', 'keep servers and application running')
    .option('--untimed', 'check for losses only, not for times: for a machine with other load')
    .addOption(
      new Option('--at <step>', 'lost-run: only switches that are held at this step').choices([
        ...new Set(lostRuns.map(heldAt)),
      ]),
    )
    .addOption(
      new Option('--fault <fault>', 'lost-run: only switches with this fault').choices(
        lostRunFaults,
      ),
    )
    .option(
      '--all',
      `lost-run: every place, way and fault: ${lostRuns.length} switches instead of ${fewLostRuns.length}`,
    )
    .addOption(
      new Option('--break <protection>', 'plant one bug; the drill must turn red').choices(
        regionBreakNames,
      ),
    )
    .addHelpText(
      'after',
      '\nExit code: 0 nothing acknowledged was lost, 1 a promise was broken or a drill did not come to its end, 2 the cluster could not be brought up.',
    )
    .action(drill),
);

async function drill(
  kinds: readonly DrillKind[],
  { times, json, keep, untimed, break: broken, ...which }: Options,
): Promise<void> {
  reportTo(json);
  const cluster = await bringUpCluster({ workers, watch: 'off', say });
  const machine = await machineOf('regions');
  try {
    const operators = await openOperators(cluster.application.apiUrl);
    const build = broken && (await brokenRegions(broken));
    if (broken) say(`Planted bug ${broken}: ${regionBreaks[broken].sentence}.`);
    const runs = lostRunsOf(which);
    const site = { cluster, operators, build, say, isTimed: untimed !== true, lostRuns: runs };
    const drilled = await runDrills(kinds, times, site);
    const report = reportOf(commandOf(kinds, broken), machine, drilled);
    printDrills(report);
    conclude(json, report, verdictOf(report));
    if (!report.ok) process.exitCode = 1;
  } finally {
    // The state after a planted bug cannot be used any further.
    if (broken) await reset('regions');
    else if (keep !== true) await takeDown('regions');
  }
}

/** Who names a step or a fault wants every way there. */
const lostRunsOf = ({
  at,
  fault,
  all,
}: Pick<Options, 'at' | 'fault' | 'all'>): readonly LostRun[] =>
  (all === true || at !== undefined || fault !== undefined ? lostRuns : fewLostRuns).filter(
    (lost) =>
      (at === undefined || heldAt(lost) === at) && (fault === undefined || lost.plan === fault),
  );

const commandOf = (kinds: readonly DrillKind[], broken: RegionBreak | undefined): string =>
  `npm run drill -- ${kinds.join(' ')}${broken ? ` --break ${broken}` : ''}`;

function timesOf(text: string): number {
  const times = Number(text);
  if (Number.isInteger(times) && times >= 1 && times <= 100) return times;
  throw new InvalidArgumentError('It must be a whole number, 1 to 100.');
}
