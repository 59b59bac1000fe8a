/** npm run verify: asks every oracle of every database, with a user who may only read. Ends with 1 where one found something. */
import Table from 'cli-table3';
import { Command, Option } from 'commander';
import colors from 'picocolors';

import { checkBooks, type Books } from './books';
import { provisionProfile } from './databases';
import { profiles, type Profile } from './stack/profile';
import { reasonOf } from './stack/waiting';

interface Options {
  readonly profile: Profile;
  readonly json?: boolean;
}

async function verify({ profile, json }: Options): Promise<void> {
  const given = process.env['VERIFY_DATABASE_URLS'];
  const books = await checkBooks(given ?? (await provisionProfile(profile)).VERIFY_DATABASE_URLS);
  if (json === true) console.log(JSON.stringify(books, undefined, 2));
  else print(books);
  if (books.violations.length > 0 || books.asked === 0) process.exitCode = 1;
}

function print({ asked, checks, violations }: Books): void {
  const table = new Table({
    head: ['oracle', 'database', 'rows', 'ms', 'found'],
    style: { compact: true },
  });
  for (const { oracle, database, violations: found, rows, ms } of checks) {
    table.push([
      oracle,
      database ?? 'all',
      rows,
      ms,
      found === 0 ? colors.green('0') : colors.red(found),
    ]);
  }
  console.log(table.toString());
  for (const { oracle, database, row } of violations) {
    console.log(colors.red(`${database}, ${oracle}: ${JSON.stringify(row)}`));
  }
  console.log(
    violations.length === 0
      ? colors.green(`${asked} oracles asked, nothing found.`)
      : colors.red(`${asked} oracles asked, ${violations.length} violations.`),
  );
}

new Command('verify')
  .description('The books of a profile, or of the databases at VERIFY_DATABASE_URLS.')
  .addOption(new Option('-p, --profile <name>', 'whose').choices(profiles).default('dev'))
  .option('--json', 'print the findings as JSON')
  .action(verify)
  .parseAsync()
  .catch((error: unknown) => {
    console.error(colors.red(reasonOf(error)));
    process.exitCode = 1;
  });
