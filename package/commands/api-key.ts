/**
 * accord api-key: makes, lists and revokes keys of the API. It also makes keys that may administer keys, which cannot
 * be made over HTTP. A secret is printed once, when it is made.
 */
import { Command, InvalidArgumentError, Option } from 'commander';

import { hostname, userInfo } from 'node:os';

import { makerAtHand, newKey } from '../../api/http/authentication';
import { openKeys } from '../../api/dependencies';
import { subjectPattern } from '../../api/http/people';
import { placeOf, whyReserved, type Place } from '../../api/http/realms';
import { expandScopes, isScopeOf, isScopeOrOps, scopes } from '../../api/http/scopes';
import type { ApiKey } from '../../api/stores/keys-store';
import type { JsonValue } from '../../api/http/json-text';
import { tenantPattern } from '../../contracts/engine/ids';
import { jsonOption, print, printJson, reportTo, tableOf, type JsonTarget } from '../report';
import type { Site, SiteOptions } from '../site';

/** The key belongs to a tenant or to a cluster: exactly one of them is given. */
interface Options extends SiteOptions {
  readonly tenant?: string;
  readonly cluster?: string;
}
interface ChangeOptions extends Options {
  /** Who does it: the `sub` of that person's tokens. */
  readonly by: string;
}
interface CreateOptions extends ChangeOptions {
  readonly owner: string;
  readonly scopes: string;
  readonly days?: string;
}

async function withKeys(
  site: Site,
  options: Options,
  use: (opened: ReturnType<typeof openKeys>, place: Place) => Promise<void>,
): Promise<void> {
  const { tenant, cluster } = options;
  if ((tenant === undefined) === (cluster === undefined))
    throw new Error('A key belongs to a tenant or to a cluster: use --tenant or --cluster.');
  const opened = openKeys(await site.apiDatabaseUrl(options));
  try {
    const known = await opened.clusters();
    const place = tenant === undefined ? clusterOf(cluster ?? '', known) : tenantOf(tenant, known);
    await use(opened, place);
  } finally {
    await opened.close();
  }
}

function tenantOf(name: string, clusters: readonly string[]): Place {
  if (!tenantPattern.test(name)) throw new Error('A tenant is 1 to 16 characters of a-z and 0-9.');
  if (clusters.includes(name)) throw new Error(whyReserved(name));
  return placeOf('tenant', name);
}

function clusterOf(name: string, clusters: readonly string[]): Place {
  if (clusters.includes(name)) return placeOf('cluster', name);
  throw new Error(`There is no cluster ${name}: the database knows ${clusters.join(', ')}.`);
}

const create = (site: Site, options: CreateOptions): Promise<void> =>
  withKeys(site, options, async (opened, place) => {
    const createdAt = await opened.now();
    const { key, credential } = newKey({
      ...place,
      owner: options.owner,
      scopes: scopesOf(options.scopes, place),
      createdAt,
      expiresAt: expiryOf(createdAt, options.days),
      maker: makerAtHand(options.by),
    });
    await writeDown(opened, place, options.by, 'create', {
      keyId: key.keyId,
      realm: place.realm,
      owner: key.owner,
      scopes: [...key.scopes],
    });
    await opened.keys.add(key);
    console.error(
      `Key ${key.keyId} of ${key.owner} for the ${key.realm} ${key.tenant}, made by ${options.by}. Its secret is not shown again:`,
    );
    console.log(credential);
  });

const head = ['key', 'owner', 'made by', 'scopes', 'state', 'used'];

const list = (site: Site, options: Options & { readonly json?: JsonTarget }): Promise<void> =>
  withKeys(site, options, async ({ keys }, place) => {
    reportTo(options.json);
    const found = await keys.list(place);
    print(tableOf(head, found.map(rowOf)));
    printJson(options.json, found.map(shown));
  });

const dayOf = (at: Date): string => at.toISOString().slice(0, 10);

/** All but the digest of its secret. */
const shown = (key: ApiKey): object => ({ ...key, secretSha256: undefined });

const revoke = (site: Site, keyId: string, options: ChangeOptions): Promise<void> =>
  withKeys(site, options, async (opened, place) => {
    await writeDown(opened, place, options.by, 'revoke', { keyId });
    if (!(await opened.keys.revoke(place, keyId))) {
      throw new Error(`The ${place.realm} ${place.tenant} has no key ${keyId}.`);
    }
    console.error(`Revoked; a running API takes it for five more seconds at most.`);
  });

/** Before it is done, with whom the machine knows at this command line: the name behind `--by` is that person's own word. */
const writeDown = async (
  { audit, now }: Pick<ReturnType<typeof openKeys>, 'audit' | 'now'>,
  { tenant }: Place,
  by: string,
  command: string,
  what: Readonly<Record<string, JsonValue>>,
): Promise<void> =>
  audit.add({
    at: await now(),
    tenant,
    actor: by,
    operation: `accord api-key ${command}`,
    gid: null,
    request: { ...what, login: userInfo().username, host: hostname() },
    outcome: 'acting',
  });

function subjectOf(text: string): string {
  if (subjectPattern.test(text)) return text;
  throw new InvalidArgumentError('A subject is 1 to 128 visible ASCII characters.');
}

function scopesOf(named: string, { realm }: Place) {
  const names = named.split(',').map((name) => name.trim());
  const known = names.filter(isScopeOrOps);
  const unknown = names.filter((name) => !isScopeOrOps(name));
  if (unknown.length > 0) {
    throw new Error(`Unknown: ${unknown.join(', ')}. There are ops, ${scopes.join(', ')}.`);
  }
  const strange = known.filter((name) => name !== 'ops' && !isScopeOf(realm)(name));
  if (strange.length > 0)
    throw new Error(
      `${strange.join(', ')} ${strange.length > 1 ? 'are' : 'is'} of no key of a ${realm}.`,
    );
  return expandScopes(known, realm);
}

function expiryOf(createdAt: Date, days: string | undefined): Date | null {
  if (days === undefined) return null;
  if (!/^[1-9]\d{0,3}$/.test(days)) throw new Error('--days must be a whole number, 1 to 9999.');
  return new Date(createdAt.getTime() + Number(days) * 86_400_000);
}

function rowOf({
  keyId,
  owner,
  madeBy,
  scopes: granted,
  expiresAt,
  revokedAt,
  lastUsedAt,
}: ApiKey): string[] {
  const state = revokedAt
    ? `revoked ${dayOf(revokedAt)}`
    : `expires ${expiresAt ? dayOf(expiresAt) : 'never'}`;
  return [
    keyId,
    owner,
    madeBy ?? 'nobody knows',
    granted.join(' '),
    state,
    lastUsedAt ? dayOf(lastUsedAt) : 'never',
  ];
}

function keyCommand(site: Site, name: string, description: string): Command {
  const made = new Command(name)
    .description(description)
    .option('-t, --tenant <code>', 'tenant of the key')
    .option('-c, --cluster <name>', 'cluster of the key, instead of a tenant');
  for (const option of site.options('profile of the database, without API_DATABASE_URL'))
    made.addOption(option);
  return made;
}

const by = () =>
  new Option('-b, --by <person>', 'your subject, as in your tokens; the audit records it')
    .argParser(subjectOf)
    .makeOptionMandatory();

export const apiKeyCommand = (site: Site): Command =>
  new Command('api-key')
    .description('Makes, lists and revokes keys of the API.')
    .addCommand(
      keyCommand(site, 'create', 'Makes a key and prints its secret, once.')
        .requiredOption('-o, --owner <subject>', 'person or system that owns the key', subjectOf)
        .requiredOption(
          '-s, --scopes <list>',
          `scopes, separated by commas: ops, ${scopes.join(', ')}`,
        )
        .addOption(by())
        .option('-d, --days <number>', 'lifetime in days')
        .action((options: CreateOptions) => create(site, options)),
    )
    .addCommand(
      keyCommand(site, 'list', 'Lists the keys of a tenant or cluster.')
        .addOption(jsonOption())
        .action((options: Options) => list(site, options)),
    )
    .addCommand(
      keyCommand(site, 'revoke', 'Revokes a key.')
        .argument('<key id>')
        .addOption(by())
        .action((keyId: string, options: ChangeOptions) => revoke(site, keyId, options)),
    );
