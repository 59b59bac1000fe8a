/** npm run audit -- verify: recomputes both audits, and says where one was changed. */
import { Command, Option } from 'commander';
import colors from 'picocolors';

import { readAudits } from './books/audits';
import type { ChainsRead } from './books/chains';
import { provisioned } from './provisioned';
import { givenVariable } from './stack/config';
import { stackProfiles, type Profile } from './stack/profile';
import { reasonOf } from './stack/waiting';

interface Options {
  readonly profile: Profile;
  readonly json?: boolean;
}

async function verify({ profile, json }: Options): Promise<void> {
  const given = givenVariable('VERIFY_DATABASE_URLS');
  const audits = await readAudits(given ?? (await provisioned(profile)).VERIFY_DATABASE_URLS);
  if (json === true) console.log(JSON.stringify(audits, undefined, 2));
  else {
    print('operators', audits.audit);
    print('payments', audits.paymentAudit);
  }
  const broken = [...audits.audit.broken, ...audits.paymentAudit.broken];
  if (broken.length > 0) process.exitCode = 1;
}

function print(whose: string, { entries, broken }: ChainsRead): void {
  if (broken.length === 0) {
    console.log(colors.green(`Audit of ${whose}: ${entries} entries, each in its place.`));
    return;
  }
  console.log(colors.red(`Audit of ${whose}: broken after ${entries} entries read, at`));
  for (const { chain, at } of broken) console.log(colors.red(`  ${chain} ${at}`));
}

new Command('audit')
  .description('The audits of operators and of payments.')
  .addCommand(
    new Command('verify')
      .description('Recomputes both chains: exit code 1, and the entry, where one breaks.')
      .addOption(
        new Option('-p, --profile <name>', 'whose, unless VERIFY_DATABASE_URLS says it')
          .choices(stackProfiles)
          .default('dev'),
      )
      .option('--json', 'print the outcome as JSON')
      .action(verify),
  )
  .parseAsync()
  .catch((error: unknown) => {
    console.error(colors.red(reasonOf(error)));
    process.exitCode = 1;
  });
