/**
 * npm run verify: asks everything that must hold, with users who may only read. Ends with 1 where something is wrong.
 */
import { Client } from '@temporalio/client';
import { Command, Option } from 'commander';

import {
  colors,
  conclude,
  fail,
  jsonOption,
  print,
  reportTo,
  tableOf,
  type JsonTarget,
  type Verdict,
} from './report';
import { asGiven, givenVerifyUrls } from '../testing/verify/addresses';
import {
  openBooks,
  type BooksAddresses,
  type Check,
  type RoundOfBooks,
} from '../testing/verify/verification';
import { authorizationOf } from '../testing/environment/credentials';
import { provisioned } from '../testing/environment/provisioned';
import { regionServersOf } from '../testing/drills/cluster';
import { seedTenant } from './seed';
import { stackProfiles, type Profile } from '../testing/stack/profile';
import { portFor, readStack } from '../testing/stack/stack';
import { connectTemporal } from '../testing/stack/temporal-client';

interface Options {
  readonly profile: Profile;
  readonly quick?: boolean;
  readonly json?: JsonTarget;
}

async function verify({ profile, quick = false, json }: Options): Promise<void> {
  reportTo(json);
  const given = givenVerifyUrls();
  const site = given === undefined ? await addressesOf(profile, quick) : undefined;
  const books = openBooks(site?.addresses ?? { verifyUrls: given ?? '' });
  try {
    await books.demandOneInstallation();
    const found = await books.check(quick ? 'whole' : 'quiescent');
    show(found);
    const verdict = verdictOf(found);
    conclude(json, found, verdict);
    if (!verdict.ok) process.exitCode = 1;
  } catch (error) {
    throw given === undefined ? error : asGiven(error);
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

const head = ['check', 'database', 'judged', 'ms', 'declared', 'found'];

function show({ checks, violations, isQuiet }: RoundOfBooks): void {
  print(tableOf(head, checks.map(rowOf)));
  for (const { oracle, database, row } of violations) {
    print(colors.red(`${database}, ${oracle}: ${JSON.stringify(row)}`));
  }
  if (isQuiet === false)
    print('Something was under way while the books were read: they are sound, and not final.');
}

function rowOf(check: Check): (string | number)[] {
  const { oracle, database, verdict, violations, declared, rows, ms, because } = check;
  const asked = violations === 0 ? colors.green('0') : colors.red(String(violations));
  const found = verdict === 'not asked' ? colors.yellow(`not asked. ${because ?? ''}`) : asked;
  return [oracle, database ?? 'all', rows, ms, declared, found];
}

const verdictOf = ({ asked, violations }: RoundOfBooks): Verdict => ({
  ok: violations.length === 0 && asked > 0,
  sentence:
    violations.length === 0
      ? `${asked} checks asked, nothing found.`
      : `${asked} checks asked, ${violations.length} violations.`,
});

new Command('verify')
  .description('The books of a profile, or of the databases at VERIFY_DATABASE_URLS.')
  .addOption(new Option('-p, --profile <name>', 'whose').choices(stackProfiles).default('dev'))
  .option('--quick', 'SQL alone: nothing is asked of Kafka, Temporal and the API')
  .addOption(jsonOption())
  .action(verify)
  .parseAsync()
  .catch((error: unknown) => {
    fail(error);
    process.exitCode = 1;
  });
