/**
 * npm run verify: asks everything that must hold, with users who may only read. Ends with 1 where something is wrong.
 */
import { Client } from '@temporalio/client';
import Table from 'cli-table3';
import { Command, Option } from 'commander';
import colors from 'picocolors';

import { openBooks, type BooksAddresses, type RoundOfBooks } from './books';
import { authorizationOf } from './credentials';
import { provisioned } from './provisioned';
import { regionServersOf } from './regions/cluster';
import { seedTenant } from './seed';
import { givenVariable } from './stack/config';
import { stackProfiles, type Profile } from './stack/profile';
import { portFor, readStack } from './stack/stack';
import { connectTemporal } from './stack/temporal-client';
import { reasonOf } from './stack/waiting';

interface Options {
  readonly profile: Profile;
  readonly quick?: boolean;
  readonly json?: boolean;
}

async function verify({ profile, quick = false, json = false }: Options): Promise<void> {
  const given = givenVariable('VERIFY_DATABASE_URLS');
  const site = given === undefined ? await addressesOf(profile, quick) : undefined;
  const books = openBooks(site?.addresses ?? { verifyUrls: given ?? '' });
  try {
    await books.demandOneInstallation();
    const found = await books.check(quick ? 'whole' : 'quiescent');
    if (json) console.log(JSON.stringify(found, undefined, 2));
    else print(found);
    if (found.violations.length > 0 || found.asked === 0) process.exitCode = 1;
  } finally {
    await books.close();
    await site?.close();
  }
}

/** Whatever of the profile is up: what is not is not asked. */
async function addressesOf(
  profile: Profile,
  quick: boolean,
): Promise<{ readonly addresses: BooksAddresses; close(): Promise<void> }> {
  const urls = await provisioned(profile);
  const verifyUrls = urls.VERIFY_DATABASE_URLS;
  const stack = quick ? undefined : await readStack(profile);
  if (!stack) return { addresses: { verifyUrls }, close: () => Promise.resolve() };
  const { address, namespace } = stack.temporal;
  const connection = await connectTemporal(address).catch(() => undefined);
  const apiUrl = `http://127.0.0.1:${await portFor(profile, 'api')}`;
  const isServed = await fetch(`${apiUrl}/livez`).then(
    ({ ok }) => ok,
    () => false,
  );
  const holder = { tenant: seedTenant, owner: 'verify', scopes: ['tx:read'] } as const;
  return {
    addresses: {
      verifyUrls,
      // What regions have published stands in two of them, and in neither as a whole.
      ...(profile === 'regions'
        ? { regions: await regionServersOf(stack) }
        : { kafka: { brokers: stack.kafka.brokers, topicPrefix: '' } }),
      temporal: connection && new Client({ connection, namespace }),
      api: isServed
        ? {
            url: apiUrl,
            tenant: seedTenant,
            authorization: await authorizationOf(urls.API_DATABASE_URL, holder),
          }
        : undefined,
    },
    close: async () => connection?.close(),
  };
}

function print({ asked, checks, violations, isQuiet }: RoundOfBooks): void {
  const table = new Table({
    head: ['check', 'database', 'judged', 'ms', 'declared', 'found'],
    style: { compact: true },
  });
  for (const {
    oracle,
    database,
    verdict,
    violations: found,
    declared,
    rows,
    ms,
    because,
  } of checks) {
    const result =
      verdict === 'not asked'
        ? colors.yellow(`not asked. ${because ?? ''}`)
        : found === 0
          ? colors.green('0')
          : colors.red(found);
    table.push([oracle, database ?? 'all', rows, ms, declared, result]);
  }
  console.log(table.toString());
  for (const { oracle, database, row } of violations) {
    console.log(colors.red(`${database}, ${oracle}: ${JSON.stringify(row)}`));
  }
  if (isQuiet === false)
    console.log(
      'Something was under way while the books were read: they are sound, and not final.',
    );
  console.log(
    violations.length === 0
      ? colors.green(`${asked} checks asked, nothing found.`)
      : colors.red(`${asked} checks asked, ${violations.length} violations.`),
  );
}

new Command('verify')
  .description('The books of a profile, or of the databases at VERIFY_DATABASE_URLS.')
  .addOption(new Option('-p, --profile <name>', 'whose').choices(stackProfiles).default('dev'))
  .option('--quick', 'SQL alone: nothing is asked of Kafka, Temporal and the API')
  .option('--json', 'print the findings as JSON')
  .action(verify)
  .parseAsync()
  .catch((error: unknown) => {
    console.error(colors.red(reasonOf(error)));
    process.exitCode = 1;
  });
