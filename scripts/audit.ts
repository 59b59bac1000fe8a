/** npm run audit -- verify: recomputes both audits, and says where one was changed. */
import { Command, Option } from 'commander';

import {
  colors,
  conclude,
  jsonOption,
  print,
  reportTo,
  runCommand,
  type JsonTarget,
} from './report';
import { asGiven, givenVerifyUrls } from '../testing/verify/addresses';
import { readAudits } from '../testing/verify/audits';
import type { ChainsRead } from '../testing/verify/chains';
import { provisioned } from '../testing/environment/provisioned';
import { stackProfiles, type Profile } from '../testing/stack/profile';

interface Options {
  readonly profile: Profile;
  readonly json?: JsonTarget;
}

async function verify({ profile, json }: Options): Promise<void> {
  reportTo(json);
  const given = givenVerifyUrls();
  const urls = given ?? (await provisioned(profile)).VERIFY_DATABASE_URLS;
  const audits = await readAudits(urls).catch((error: unknown) => {
    throw given === undefined ? error : asGiven(error);
  });
  show('operators', audits.audit);
  show('payments', audits.paymentAudit);
  const { length } = [...audits.audit.broken, ...audits.paymentAudit.broken];
  const entries = audits.audit.entries + audits.paymentAudit.entries;
  const sentence =
    length === 0
      ? `${entries} entries of both audits are each in their place.`
      : `${length} chains of both audits are broken.`;
  conclude(json, audits, { ok: length === 0, sentence });
  if (length > 0) process.exitCode = 1;
}

function show(whose: string, { entries, broken }: ChainsRead): void {
  if (broken.length === 0) {
    print(colors.green(`Audit of ${whose}: ${entries} entries, each in its place.`));
    return;
  }
  print(colors.red(`Audit of ${whose}: broken after ${entries} entries read, at`));
  for (const { chain, at } of broken) print(colors.red(`  ${chain} ${at}`));
}

runCommand(
  new Command('audit')
    .description('Checks the audits of operators and of payments.')
    .addCommand(
      new Command('verify')
        .description('Recomputes both chains. Exit code 1 and the entry if a chain is broken.')
        .addOption(
          new Option(
            '-p, --profile <name>',
            'profile of the databases, without VERIFY_DATABASE_URLS',
          )
            .choices(stackProfiles)
            .default('dev'),
        )
        .addOption(jsonOption())
        .action(verify),
    ),
);
