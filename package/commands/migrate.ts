/**
 * accord migrate: creates databases, brings them to their newest migration, and gives each process its user with its
 * rights. Safe to repeat, and for two at once. Users with passwords of another folder are a reason to refuse.
 */
import { Command } from 'commander';

import { databasePrefix } from '../../runtime/databases/names';
import type { Site, SiteOptions } from '../site';

export function migrateCommand(site: Site): Command {
  const command = new Command('migrate')
    .description('Creates databases, tables, users and rights on the server at MYSQL_URL.')
    .option('--prefix <prefix>', 'prefix of the names of databases and users', databasePrefix)
    .option(
      '--rotate',
      'give users with other passwords those of this folder; who has the old ones cannot connect',
    )
    .option('--env', 'print the environment variables of the processes, with passwords')
    .action(async (options: SiteOptions) => {
      const { databases, urls } = await site.migrate(options);
      console.error(`Migrated: ${databases.join(', ')}.`);
      if (options['env'] !== true) return;
      for (const [variable, address] of Object.entries(urls)) console.log(`${variable}=${address}`);
    });
  for (const option of site.options('whose, unless MYSQL_URL says it')) command.addOption(option);
  return command;
}
