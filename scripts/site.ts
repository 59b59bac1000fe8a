/** The site of a checkout: the servers of its profiles, and what the environment says instead of them. */
import { askedOfShop } from '../testing/verify/verification';
import './application';

import { Client } from '@temporalio/client';
import { Option } from 'commander';

import type { Site } from '../package/site';
import { databasePrefix } from '../runtime/databases/names';
import { databases } from '../runtime/databases/shop';
import { regionServersOf } from '../testing/drills/cluster';
import { build } from '../testing/environment/build';
import { authorizationOf } from '../testing/environment/credentials';
import { operatorsOf } from '../testing/environment/profile-operators';
import { provisioned } from '../testing/environment/provisioned';
import { productionBundle } from '../testing/replay/runs';
import { givenAddresses, givenTemporal, givenVariable } from '../testing/stack/config';
import { stackProfiles, type Profile } from '../testing/stack/profile';
import { portFor, readStack } from '../testing/stack/stack';
import { connectTemporal } from '../testing/stack/temporal-client';
import { givenVerifyUrls } from '../testing/verify/addresses';
import { seedTenant } from './seed';

type Options = Readonly<Record<string, unknown>>;

/** The profile, which commander has checked. */
const profileIn = ({ profile }: Options): Profile =>
  stackProfiles.find((name) => name === profile) ?? 'dev';

export const checkoutSite: Site = {
  tenant: seedTenant,
  options: (whose) => [
    new Option('-p, --profile <name>', whose).choices(stackProfiles).default('dev'),
  ],
  async migrate(options) {
    const { prefix, rotate } = options;
    if (prefix !== databasePrefix)
      throw new Error(
        `The databases of a profile begin with ${databasePrefix}: leave --prefix out.`,
      );
    return {
      databases: databases.map((name) => databasePrefix + name),
      urls: await provisioned(profileIn(options), rotate === true),
    };
  },
  apiDatabaseUrl: async (options) =>
    givenVariable('API_DATABASE_URL') ?? (await provisioned(profileIn(options))).API_DATABASE_URL,
  async books(options, quick) {
    const verifyUrls = givenVerifyUrls();
    if (verifyUrls !== undefined)
      return { addresses: { verifyUrls }, close: () => Promise.resolve() };
    return booksOf(profileIn(options), quick);
  },
  asked: () => askedOfShop,
  async temporal(options) {
    const profile = profileIn(options);
    const own = (await readStack(profile))?.temporal;
    const address = givenAddresses().temporal ?? own?.address;
    if (address === undefined)
      throw new Error(
        `No Temporal: give --address, or bring one up with npm run stack -- up --profile ${profile}.`,
      );
    const { namespace = own?.namespace ?? 'default', apiKey } = givenTemporal();
    return { address, namespace, apiKey: address === own?.address ? undefined : apiKey };
  },
  async workflowBundle() {
    await build();
    return productionBundle;
  },
  operators: (options) => operatorsOf(profileIn(options)),
};

/** Whatever of the profile is up: what is not is not asked. */
async function booksOf(profile: Profile, quick: boolean): ReturnType<Site['books']> {
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
