/** The site of an installed package: what stands in the environment, and keys in `.accord/` of the working folder. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Client } from '@temporalio/client';
import { z } from 'zod';

import { databasePrefix } from '../runtime/databases/names';
import { provision } from '../runtime/databases/provision';
import { shopDatabases } from '../runtime/databases/shop';
import { databasesOf } from '../runtime/databases/users';
import { writeJson } from '../runtime/whole-file';
import {
  givenAddresses,
  givenTemporal,
  givenTopicPrefix,
  givenVariable,
} from '../testing/stack/config';
import { withLock } from '../testing/stack/lock';
import { connectTemporal } from '../testing/stack/temporal-client';
import { givenVerifyUrls } from '../testing/verify/addresses';
import { askedOfProject, askedOfShop } from '../testing/verify/verification';
import { demandGiven } from './given';
import { keptBundle, ownFolder } from './kept';
import type { Project } from './project';
import type { Site } from './site';

const secretsFile = join(ownFolder, 'secrets.json');

/** The bundle of Accord's own flows, as the build has made it: `dist/workflow-bundle.js`. */
const shopBundle = join(__dirname, '..', 'workflow-bundle.js');

/** @param project whose servers these are; undefined: Accord's own application. */
export const environmentSite = (project: () => Project | undefined): Site => ({
  options: () => [],
  async migrate({ prefix, rotate }) {
    const adminUrl = demandGiven('MYSQL_URL', givenAddresses().mysql, 'an administrator of MySQL');
    const named = typeof prefix === 'string' ? prefix : databasePrefix;
    const given = project();
    const declared = given ? { migrations: given.migrations } : shopDatabases;
    const rotates = rotate === true;
    const urls = await provision(adminUrl, { ...declared, prefix: named, secret, rotates });
    return { databases: databasesOf(declared).map((name) => named + name), urls };
  },
  apiDatabaseUrl: () =>
    Promise.resolve(
      demandGiven('API_DATABASE_URL', givenVariable('API_DATABASE_URL'), 'what the API reads'),
    ),
  async books(_options, quick) {
    const verifyUrls = demandGiven(
      'VERIFY_DATABASE_URLS',
      givenVerifyUrls(),
      'who may read them all',
    );
    if (quick) return { addresses: { verifyUrls }, close: () => Promise.resolve() };
    const { temporal: address, kafka } = givenAddresses();
    const { namespace = 'default' } = givenTemporal();
    const connection = address === undefined ? undefined : await connectTemporal(address);
    return {
      addresses: {
        verifyUrls,
        kafka:
          kafka === undefined
            ? undefined
            : { brokers: kafka.split(','), topicPrefix: givenTopicPrefix() },
        temporal: connection && new Client({ connection, namespace }),
      },
      close: async () => connection?.close(),
    };
  },
  asked() {
    const given = project();
    return given ? askedOfProject(given.checks ?? []) : askedOfShop;
  },
  temporal() {
    const { namespace = 'default', apiKey } = givenTemporal();
    const address = demandGiven(
      'TEMPORAL_ADDRESS',
      givenAddresses().temporal,
      'host:port of Temporal',
    );
    return Promise.resolve({ address, namespace, apiKey });
  },
  async workflowBundle() {
    const given = project();
    if (!given) return shopBundle;
    const { bundleTo } = await import('./bundle.js');
    return bundleTo(given.workflowsPath, keptBundle());
  },
  operators: () => ({ folder: join(ownFolder, 'operators'), name: 'urn:accord:local' }),
});

const secretsSchema = z.record(z.string(), z.string());

/** Made when it is first asked for, and the same as long as its file. Letters, digits, - and _, of each kind one. */
async function secret(name: string): Promise<string> {
  mkdirSync(ownFolder, { recursive: true }); // The bundle beside it is for every user.
  return withLock(`${secretsFile}.lock`, () => {
    const known = readSecrets();
    const value = known[name] ?? `${randomBytes(21).toString('base64url')}-Aa0`;
    if (known[name] === undefined) writeJson(secretsFile, { ...known, [name]: value });
    return Promise.resolve(value);
  });
}

/** @throws where the file is damaged: databases know the passwords that it had. */
function readSecrets(): Readonly<Record<string, string>> {
  let text: string;
  try {
    text = readFileSync(secretsFile, 'utf8');
  } catch {
    return {}; // The first one makes it.
  }
  const found = secretsSchema.safeParse(parsed(text));
  if (found.success) return found.data;
  throw new Error(
    `${secretsFile} is damaged: put a copy of it back, or remove it for new passwords.`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
