/** npm run demo -- --regions: the active region dies under load, the other one takes over, and the lost one comes home. */
import { machineOf } from '../../testing/bench/machine';
import { bringUpCluster } from '../../testing/drills/cluster';
import { runDrills } from '../../testing/drills/drills';
import { openOperators } from '../../testing/drills/operators';
import { printDrills, reportOf, type DrillsReport } from '../../testing/drills/report';
import { takeDown } from '../../testing/stack/stack';

const workers = 2;

/** @param keep leaves servers and application running. */
export async function demoRegions(
  keep: boolean,
  say: (line: string) => void,
): Promise<DrillsReport> {
  const cluster = await bringUpCluster({ workers, watch: 'off', say });
  const machine = await machineOf('regions');
  try {
    const operators = await openOperators(cluster.application.apiUrl);
    say(
      'Clients write with SQL and order over HTTP; what is acknowledged to them is written down.',
    );
    const drilled = await runDrills(['failback'], 1, { cluster, operators, isTimed: false, say });
    const report = reportOf('npm run demo -- --regions', machine, drilled);
    printDrills(report);
    return report;
  } finally {
    if (!keep) await takeDown('regions');
  }
}
