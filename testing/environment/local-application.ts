/** The application of a profile of this checkout, for people: servers, build, databases and processes in one call. */
import { createHash } from 'node:crypto';

import { openKeys } from '../../api/dependencies';
import { isScopeOf, scopes } from '../../api/http/scopes';
import { createApplication, type Application, type Role, type Variables } from './application';
import { build } from './build';
import type { DatabaseUrls } from '../../runtime/databases/shop';
import { provisionProfile } from '../stack/provisioning';
import { operatorVariables } from './operators';
import { operatorsOf } from './profile-operators';
import { seed, seedTenant } from '../../scripts/seed';
import { bringUp, portFor, readStack, secret, type Profile, type Stack } from '../stack/stack';

export interface LocalApplication {
  readonly stack: Stack;
  readonly urls: DatabaseUrls;
  readonly application: Application;
  /** Every process of it, by name. */
  readonly processes: ReadonlyMap<string, Role>;
  /** Those that this call started. */
  readonly started: readonly string[];
  /** The servers were there before this call. */
  readonly wereServersUp: boolean;
  /** How long each phase took; some ran at the same time. */
  readonly phases: readonly Phase[];
}

export interface Phase {
  readonly name: string;
  readonly ms: number;
}

/**
 * Brings up what is missing, and leaves alone what runs. Ready when it answers: every process works.
 *
 * @param workers how many transaction workers there shall be.
 * @param say is told what is being done.
 * @param endsWithUs whether its processes end with this one; left out: they outlive it.
 * @param variables take the place of what its processes would read otherwise; those that run already keep theirs.
 */
export async function bringUpApplication(
  profile: Profile,
  {
    workers,
    say,
    endsWithUs = false,
    variables = {},
  }: {
    readonly workers: number;
    readonly say: (line: string) => void;
    readonly endsWithUs?: boolean;
    readonly variables?: Variables;
  },
): Promise<LocalApplication> {
  const wereServersUp = (await readStack(profile)) !== undefined;
  const phases: Phase[] = [];
  const timed = async <Result>(name: string, work: Promise<Result>): Promise<Result> => {
    const began = Date.now();
    const result = await work;
    phases.push({ name, ms: Date.now() - began });
    return result;
  };
  const [{ stack, urls }] = await Promise.all([
    timed('servers', bringUp(profile)).then(async (up) => {
      say('The servers work. Creating databases, stock and accounts …');
      return { stack: up, urls: await timed('databases', provisionAndSeed(profile)) };
    }),
    timed('build', build()),
  ]);

  const application = createApplication({
    stack,
    namespace: stack.temporal.namespace,
    urls,
    topicPrefix: '',
    label: '',
    apiPort: await portFor(profile, 'api'),
    apiSecret: await secret(profile, 'api'),
    variables: { ...(await operatorVariables(operatorsOf(profile))), ...variables },
    isTunedByShell: true,
    endsWithUs,
  });
  const processes = processesOf(workers);
  say(`Starting API, ${workers} transaction workers, relay and consumer …`);
  const started = await timed('processes', startAll(application, processes));
  return { stack, urls, application, processes, started, wereServersUp, phases };
}

async function provisionAndSeed(profile: Profile): Promise<DatabaseUrls> {
  const urls = await provisionProfile(profile);
  await seed(urls);
  return urls;
}

function processesOf(workers: number): ReadonlyMap<string, Role> {
  const names = Array.from({ length: workers }, (_, at) => `worker-${at + 1}`);
  return new Map<string, Role>([
    ['api', 'api'],
    ...names.map((name) => [name, 'worker'] as const),
    ['relay', 'relay'],
    ['consumer', 'consumer'],
  ]);
}

/** @returns the names of those that were not running. Where one fails, those that were started are stopped again. */
async function startAll(
  application: Application,
  processes: ReadonlyMap<string, Role>,
): Promise<readonly string[]> {
  const missing = [...processes].filter(([name]) => !application.process(name));
  const starts = await Promise.allSettled(
    missing.map(([name, role]) => application.start(role, name)),
  );
  const failure = starts.find((start) => start.status === 'rejected');
  const names = missing.map(([name]) => name);
  if (!failure) return names;
  await stopAll(application, names);
  throw failure.reason;
}

export async function stopAll(application: Application, names: Iterable<string>): Promise<void> {
  await Promise.all([...names].map((name) => application.stop(name)));
}

const developer = 'developer';

/**
 * The credential of the developer who works with this profile. It is the same at every call; the API's database keeps
 * its digest. It may do everything but administer keys and act alone where two persons are needed.
 */
export async function developerCredential(profile: Profile, urls: DatabaseUrls): Promise<string> {
  const halves = [
    await secret(profile, 'developer-key-1'),
    await secret(profile, 'developer-key-2'),
  ];
  const keySecret = halves.join('').slice(0, 43);
  const allowed = scopes
    .filter(isScopeOf('tenant'))
    .filter((scope) => scope !== 'admin:keys' && scope !== 'ops:breakglass');
  // Neither a key's scopes nor its maker ever change, so one with others is another key of the same secret.
  const keyId = sha256(`id of ${keySecret}, for ${allowed.join()}, made by ${developer}`)
    .toString('hex')
    .slice(0, 26)
    .toUpperCase();
  const { keys, now, close } = openKeys(urls.API_DATABASE_URL);
  try {
    if (!(await keys.find(keyId))) {
      await keys.add({
        keyId,
        realm: 'tenant',
        tenant: seedTenant,
        owner: developer,
        madeBy: developer,
        people: [developer],
        secretSha256: sha256(keySecret),
        scopes: allowed,
        createdAt: await now(),
        expiresAt: null,
      });
    }
  } finally {
    await close();
  }
  return `acc_${keyId}_${keySecret}`;
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
