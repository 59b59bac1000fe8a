/** accord operator-token: a token of an operator for development, and what an API reads to take it. */
import { Command, InvalidArgumentError } from 'commander';

import { isScopeOrOps, scopes } from '../../api/http/scopes';
import { tenantPattern } from '../../contracts/engine/ids';
import { operatorToken, operatorVariables } from '../../testing/environment/operators';
import type { Site, SiteOptions } from '../site';

interface Options extends SiteOptions {
  readonly sub: string;
  readonly scopes: readonly string[];
  readonly tenants?: readonly string[];
  readonly clusters?: readonly string[];
  readonly minutes: number;
  readonly env?: boolean;
}

const minutesMax = 1_440;

async function make(site: Site, options: Options): Promise<void> {
  const { sub: subject, minutes, scopes: granted, clusters = [] } = options;
  const issuer = site.operators(options);
  if (options.env === true) {
    const variables = Object.entries(await operatorVariables(issuer));
    for (const [name, value] of variables) if (value !== '') console.log(`${name}=${value}`);
    return;
  }
  const tenants = tenantsOf(site, options);
  const claims = { subject, tenants, clusters, scopes: granted, minutes };
  const token = await operatorToken(issuer, claims);
  const places = [...tenants, ...clusters.map((name) => `the cluster ${name}`)];
  console.error(
    `${subject} for ${places.join(', ')}: ${granted.join(' ')}; for ${minutes} minutes. An API of ${issuer.name} alone takes it:`,
  );
  console.log(token);
}

function tenantsOf({ tenant }: Site, { tenants, clusters = [] }: Options): readonly string[] {
  if (tenants || clusters.length > 0) return tenants ?? [];
  if (tenant !== undefined) return [tenant];
  throw new Error('A token is for tenants or clusters: say --tenants or --clusters.');
}

function subjectOf(text: string): string {
  if (/^[\x21-\x7e]{1,128}$/.test(text)) return text;
  throw new InvalidArgumentError('A subject is 1 to 128 visible ASCII characters.');
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
  throw new InvalidArgumentError(
    'A name is 1 to 16 characters of a-z and 0-9. Separate names by commas.',
  );
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (Number.isInteger(minutes) && minutes >= 1 && minutes <= minutesMax) return minutes;
  throw new InvalidArgumentError(`Minutes are a whole number, 1 to ${minutesMax}.`);
}

export function operatorTokenCommand(site: Site): Command {
  const { tenant } = site;
  const whenLeftOut = tenant === undefined ? '' : `; without --clusters: ${tenant}`;
  const command = new Command('operator-token')
    .description('Prints a token of an operator, for development.')
    .requiredOption('-s, --sub <person>', 'subject of the token: the person', subjectOf)
    .option('--scopes <list>', `scopes, separated by commas: ops, ${scopes.join(', ')}`, scopesOf, [
      'ops',
      'tx:read',
    ])
    .option('-t, --tenants <list>', `tenants of the token${whenLeftOut}`, namesOf)
    .option('-c, --clusters <list>', 'clusters of the token', namesOf)
    .option('-m, --minutes <number>', 'lifetime in minutes', minutesOf, 60)
    .option('--env', 'print the variables of an API that accepts such tokens, and no token')
    .action((options: Options) => make(site, options));
  for (const option of site.options('profile whose API accepts the token'))
    command.addOption(option);
  return command;
}
