/**
 * npm run migrate: creates a profile's databases, brings them to their newest migration, and gives each process its user
 * with its rights. Safe to repeat, and for two at once.
 */
import { Command, Option } from 'commander';

import { fail } from './report';
import { databasePrefix, databases, databaseVariables } from '../runtime/databases/names';
import { provisionProfile } from '../testing/stack/provisioning';
import { profiles, type Profile } from '../testing/stack/profile';

interface Options {
  readonly profile: Profile;
  readonly env?: boolean;
}

async function migrate({ profile, env }: Options): Promise<void> {
  const urls = await provisionProfile(profile);
  console.error(`Migrated: ${databases.map((name) => databasePrefix + name).join(', ')}.`);
  if (env !== true) return;
  for (const variable of databaseVariables) console.log(`${variable}=${urls[variable]}`);
}

new Command('migrate')
  .description('Databases, tables, users and rights of a profile, or of the server at MYSQL_URL.')
  .addOption(new Option('-p, --profile <name>', 'whose').choices(profiles).default('dev'))
  .option('--env', 'print what the processes read from their environment, passwords included')
  .action(migrate)
  .parseAsync()
  .catch((error: unknown) => {
    fail(error);
    process.exitCode = 1;
  });
