/**
 * accord verify: asks everything that must hold, with users who may only read. Ends with 0 if it holds, with 1 if
 * something is wrong, and with 2 if nothing could be asked.
 */
import { Command } from 'commander';

import { asGiven, givenVerifyUrls } from '../../testing/verify/addresses';
import { openInvariants, type Check, type InvariantRound } from '../../testing/verify/verification';
import {
  colors,
  conclude,
  jsonOption,
  print,
  reportTo,
  tableOf,
  type JsonTarget,
  type Verdict,
} from '../report';
import type { Site, SiteOptions } from '../site';

interface Options extends SiteOptions {
  readonly quick?: boolean;
  readonly json?: JsonTarget;
}

async function verify(site: Site, options: Options): Promise<void> {
  const { quick = false, json } = options;
  reportTo(json);
  const servers = await site.books(options, quick);
  const books = openInvariants(servers.addresses, site.asked());
  try {
    await books.demandOneInstallation();
    const found = await books.check(quick ? 'whole' : 'quiescent');
    show(found);
    const verdict = verdictOf(found);
    conclude(json, found, verdict);
    if (!verdict.ok) process.exitCode = found.violations.length > 0 ? 1 : 2;
  } catch (error) {
    throw givenVerifyUrls() === undefined ? error : asGiven(error);
  } finally {
    await books.close();
    await servers.close();
  }
}

const head = ['check', 'database', 'judged', 'ms', 'declared', 'found'];

function show({ checks, violations, isQuiet }: InvariantRound): void {
  print(tableOf(head, checks.map(rowOf)));
  for (const { oracle, database, row } of violations) {
    print(colors.red(`${database}, ${oracle}: ${JSON.stringify(row)}`));
  }
  if (isQuiet === false)
    print('Transactions were open during the checks: the books are sound so far, but not final.');
}

function rowOf(check: Check): (string | number)[] {
  const { oracle, database, verdict, violations, declared, rows, ms, because } = check;
  const asked = violations === 0 ? colors.green('0') : colors.red(String(violations));
  const found = verdict === 'not asked' ? colors.yellow(`not asked. ${because ?? ''}`) : asked;
  return [oracle, database ?? 'all', rows, ms, declared, found];
}

const verdictOf = ({ asked, violations }: InvariantRound): Verdict => ({
  ok: violations.length === 0 && asked > 0,
  sentence:
    violations.length === 0
      ? `${asked} checks asked, nothing found.`
      : `${asked} checks asked, ${violations.length} violations.`,
});

export function verifyCommand(site: Site): Command {
  const command = new Command('verify')
    .description('Checks all invariants in the databases at VERIFY_DATABASE_URLS.')
    .option('--quick', 'only SQL checks, without Kafka, Temporal and the API')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExit code: 0 all holds, 1 something does not, 2 it could not be asked.',
    )
    .action((options: Options) => verify(site, options));
  for (const option of site.options('profile of the databases, without VERIFY_DATABASE_URLS'))
    command.addOption(option);
  return command;
}
