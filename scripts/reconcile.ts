/** npm run reconcile: one round of reconciliation in Temporal, now, and what it has found. Ends with 1 where something is left. */
import { Command, Option } from 'commander';

import { amountText } from '../contracts/engine/money';
import type { ReconcileReport } from '../contracts/engine/reconciliation';
import {
  colors,
  conclude,
  jsonOption,
  print,
  reportTo,
  runCommand,
  tableOf,
  type JsonTarget,
} from './report';
import { runRound } from './reconcile-round';
import { stackProfiles, type Profile } from '../testing/stack/profile';

interface Options {
  readonly profile: Profile;
  readonly dryRun?: boolean;
  readonly json?: JsonTarget;
}

async function reconcile({ profile, dryRun, json }: Options): Promise<void> {
  reportTo(json);
  const report = await runRound(profile, { dryRun: dryRun === true });
  const ok = report.findings.every(({ action }) => action !== 'left');
  show(report);
  conclude(json, report, { ok, sentence: sentenceOf(report) });
  if (!ok) process.exitCode = 1;
}

const head = ['kind', 'subject', 'at stake', 'age', 'done'];

function show({ findings, isComplete }: ReconcileReport): void {
  if (findings.length > 0) print(tableOf(head, findings.map(rowOf)));
  for (const { subject, detail } of findings) print(colors.dim(`${subject}: ${detail}`));
  if (!isComplete)
    print(colors.yellow('Not everything could be looked at; the next round begins anew.'));
}

const rowOf = (finding: ReconcileReport['findings'][number]): string[] => {
  const { kind, participant, subject, amounts, ageSeconds, action } = finding;
  const age = ageSeconds === null ? '' : `${ageSeconds} s`;
  return [kind, `${participant}: ${subject}`, amounts.map(amountText).join(', '), age, action];
};

function sentenceOf({ actions, looked, dryRun }: ReconcileReport): string {
  const counts = Object.entries(actions).map(([action, count]) => `${count} ${action}`);
  const round = `${dryRun ? 'Dry run' : 'Round'}: ${looked} rows looked at`;
  return `${round}, ${counts.length > 0 ? counts.join(', ') : 'nothing found'}.`;
}

runCommand(
  new Command('reconcile')
    .description('Runs one round of reconciliation on the transaction workers of a profile.')
    .addOption(
      new Option('-p, --profile <name>', 'profile of the workers')
        .choices(stackProfiles)
        .default('dev'),
    )
    .option('--dry-run', 'write no finding, repair nothing')
    .addOption(jsonOption())
    .action(reconcile),
);
