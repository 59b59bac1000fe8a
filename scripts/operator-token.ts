/** npm run operator-token: a token of an operator, for an API that npm start or the demo has started. */
import { Command, InvalidArgumentError, Option } from 'commander';

import { isScopeOrOps, scopes } from '../api/http/scopes';
import { tenantPattern } from '../contracts/engine/ids';
import { operatorToken } from './operators';
import { fail } from './report';
import { seedTenant } from './seed';
import { stackProfiles, type Profile } from '../testing/stack/profile';

interface Options {
  readonly sub: string;
  readonly scopes: readonly string[];
  readonly tenants?: readonly string[];
  readonly clusters?: readonly string[];
  readonly minutes: number;
  readonly profile: Profile;
}

const minutesMax = 1_440;

async function make({
  sub: subject,
  profile,
  clusters = [],
  tenants = clusters.length > 0 ? [] : [seedTenant],
  ...rest
}: Options): Promise<void> {
  const token = await operatorToken(profile, { subject, tenants, clusters, ...rest });
  const places = [...tenants, ...clusters.map((name) => `the cluster ${name}`)];
  console.error(
    `${subject} for ${places.join(', ')}: ${rest.scopes.join(' ')}; for ${rest.minutes} minutes. Profile ${profile} alone takes it:`,
  );
  console.log(token);
}

function subjectOf(text: string): string {
  if (/^[\x21-\x7e]{1,128}$/.test(text)) return text;
  throw new InvalidArgumentError('It is 1 to 128 visible ASCII characters.');
}

function scopesOf(text: string): readonly string[] {
  const names = text.split(/[ ,]+/).filter(Boolean);
  const unknown = names.filter((name) => !isScopeOrOps(name));
  if (unknown.length === 0) return names;
  throw new InvalidArgumentError(
    `Unknown: ${unknown.join(', ')}. There are ops, ${scopes.join(', ')}.`,
  );
}

function namesOf(text: string): readonly string[] {
  const names = text.split(',');
  if (names.every((name) => tenantPattern.test(name))) return names;
  throw new InvalidArgumentError('A name is 1 to 16 of a-z and 0-9; several with commas.');
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (Number.isInteger(minutes) && minutes >= 1 && minutes <= minutesMax) return minutes;
  throw new InvalidArgumentError(`It is a whole number, 1 to ${minutesMax}.`);
}

new Command('operator-token')
  .description('Prints a token of an operator, for development.')
  .requiredOption('-s, --sub <person>', 'who it is', subjectOf)
  .option('--scopes <list>', `of ops, ${scopes.join(', ')}`, scopesOf, ['ops', 'tx:read'])
  .option(
    '-t, --tenants <list>',
    `whose transactions; ${seedTenant}, where no cluster is named`,
    namesOf,
  )
  .option('-c, --clusters <list>', 'whose regions', namesOf)
  .option('-m, --minutes <number>', 'until it expires', minutesOf, 60)
  .addOption(
    new Option('-p, --profile <name>', 'whose API takes it').choices(stackProfiles).default('dev'),
  )
  .action(make)
  .parseAsync()
  .catch((error: unknown) => {
    fail(error);
    process.exitCode = 1;
  });
