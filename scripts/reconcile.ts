/** npm run reconcile: one round of reconciliation in Temporal, now, and what it has found. Ends with 1 where something is left. */
import Table from 'cli-table3';
import { Command, Option } from 'commander';
import colors from 'picocolors';

import { amountText } from '../contracts/money';
import type { ReconcileReport } from '../contracts/reconciliation';
import { runRound } from './reconcile-round';
import { stackProfiles, type Profile } from './stack/profile';
import { reasonOf } from './stack/waiting';

interface Options {
  readonly profile: Profile;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

async function reconcile({ profile, dryRun, json }: Options): Promise<void> {
  const report = await runRound(profile, { dryRun: dryRun === true });
  if (json === true) console.log(JSON.stringify(report, undefined, 2));
  else print(report);
  if (report.findings.some(({ action }) => action === 'left')) process.exitCode = 1;
}

function print({ findings, actions, looked, isComplete, dryRun }: ReconcileReport): void {
  if (findings.length > 0) {
    const table = new Table({ head: ['kind', 'subject', 'at stake', 'age', 'done'] });
    for (const { kind, participant, subject, amounts, ageSeconds, action } of findings) {
      const age = ageSeconds === null ? '' : `${ageSeconds} s`;
      table.push([
        kind,
        `${participant}: ${subject}`,
        amounts.map(amountText).join(', '),
        age,
        action,
      ]);
    }
    console.log(table.toString());
    for (const { subject, detail } of findings) console.log(colors.dim(`${subject}: ${detail}`));
  }
  const counts = Object.entries(actions).map(([action, count]) => `${count} ${action}`);
  const round = `${dryRun ? 'Dry run' : 'Round'}: ${looked} rows looked at`;
  console.log(`${round}, ${counts.length > 0 ? counts.join(', ') : 'nothing found'}.`);
  if (!isComplete)
    console.log(colors.yellow('Not everything could be looked at; the next round begins anew.'));
}

new Command('reconcile')
  .description('One round of reconciliation, by the transaction workers of a profile.')
  .addOption(new Option('-p, --profile <name>', 'whose').choices(stackProfiles).default('dev'))
  .option('--dry-run', 'write no finding, repair nothing')
  .option('--json', 'print the report as JSON')
  .action(reconcile)
  .parseAsync()
  .catch((error: unknown) => {
    console.error(colors.red(reasonOf(error)));
    process.exitCode = 1;
  });
