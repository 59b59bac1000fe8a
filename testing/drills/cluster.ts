/** The application on a cluster of two regions: its processes know the router alone, and none of the regions. */
import {
  createApplication,
  type Application,
  type Role,
  type Variables,
} from '../environment/application';
import type { RegionServers } from '../verify/errant';
import { build } from '../environment/build';
import { installationAt } from '../../runtime/databases/installation-mark';
import { databasePrefix } from '../../runtime/databases/names';
import {
  databaseVariables,
  databases,
  type DatabaseUrls,
  shopDatabases,
} from '../../runtime/databases/shop';
import { addressesOf, provision } from '../../runtime/databases/provision';
import { operatorVariables } from '../environment/operators';
import { operatorsOf } from '../environment/profile-operators';
import { seed } from '../../scripts/seed';
import { regions } from '../stack/profile';
import { bringUp, portFor, readStack, secret, type Stack } from '../stack/stack';
import { pause } from '../../runtime/waiting';
import { clusterAddresses, type ClusterAddresses, type RegionAddresses } from './addresses';
import {
  activate,
  addReplicationUser,
  holderOf,
  noteRoles,
  rolesOf,
  standBy,
  standbysOf,
  type Replication,
  type Roles,
} from './roles';

export interface Cluster {
  readonly stack: Stack;
  readonly addresses: ClusterAddresses;
  readonly roles: Roles;
  readonly urls: DatabaseUrls;
  readonly application: Application;
  readonly processes: ReadonlyMap<string, ClusterProcess>;
}

export interface ClusterProcess {
  readonly role: Role;
  readonly variables: Variables;
}

const profile = 'regions';
const switchEndsWithinMs = 120_000;
const lookEveryMs = 250;
const replicationUser = 'accord_repl';

/** Brings up what is missing: servers, roles as the hub says, databases, processes. Safe to repeat. */
export async function bringUpCluster({
  workers,
  watch,
  say,
}: {
  readonly workers: number;
  /** Whether the watch does anything about what it sees. */
  readonly watch: 'on' | 'off';
  readonly say: (line: string) => void;
}): Promise<Cluster> {
  const [stack] = await Promise.all([bringUp(profile), build()]);
  const addresses = clusterAddresses();
  say('The servers work. Giving the regions their roles …');
  const hub = await provisionHub(stack);
  const replication = { user: replicationUser, password: await secretOf('mysql-replication') };
  await letSwitchEnd({ stack, addresses, hub, replication, watch, say });
  const roles = await rolesOf(hubUrlOf(stack));
  const [active, standby] = [addresses.regions[roles.active], addresses.regions[roles.standby]];
  await activate(hubUrlOf(stack), roles.active, active);
  await addReplicationUser(active, replication);
  const urls = joined(hub, await provisionActive(stack, addresses));
  await seed(urls);
  const errant = await standBy(standby, active, replication);
  if (errant !== '')
    say(
      `Region ${roles.standby} has transactions of its own (${errant}): npm run regions -- rejoin --region ${roles.standby}`,
    );
  await noteRoles(hubUrlOf(stack), roles, errant === '');
  const application = await applicationOn(stack, active, urls);
  const processes = processesOf(
    workers,
    { ...failoverVariables(addresses, replication), REGION_WATCH: watch },
    addresses,
  );
  say(`Starting API, ${workers} transaction workers, a relay and a consumer of each region …`);
  await Promise.all(
    [...processes].map(([name, { role, variables }]) => application.start(role, name, variables)),
  );
  return { stack, addresses, roles, urls, application, processes };
}

const applicationOn = async (
  stack: Stack,
  { brokers }: RegionAddresses,
  urls: DatabaseUrls,
): Promise<Application> =>
  createApplication({
    stack: { ...stack, kafka: { brokers } },
    namespace: stack.temporal.namespace,
    urls,
    topicPrefix: '',
    label: '',
    apiPort: await portFor(profile, 'api'),
    apiSecret: await secretOf('api'),
    variables: await operatorVariables(operatorsOf(profile)),
  });

/**
 * Everything was stopped in the middle of a switch, or is started beside one: its own run gives the regions their
 * roles. Who gave them what the hub says meanwhile would open a region that the switch has fenced. So its failover
 * worker goes on with it first, alone with an API for who has to decide.
 *
 * @throws where it has not ended in time.
 */
async function letSwitchEnd({
  stack,
  addresses,
  hub,
  replication,
  watch,
  say,
}: {
  readonly stack: Stack;
  readonly addresses: ClusterAddresses;
  readonly hub: DatabaseUrls;
  readonly replication: Replication;
  readonly watch: 'on' | 'off';
  readonly say: (line: string) => void;
}): Promise<void> {
  const hubUrl = hubUrlOf(stack);
  const holder = await holderOf(hubUrl);
  if (holder === null) return;
  say(`${holder} is moving the regions; waiting for its end …`);
  const { active } = await rolesOf(hubUrl);
  const urls = joined(hub, await addressesOfActive(addresses));
  const application = await applicationOn(stack, addresses.regions[active], urls);
  await application.start('failover', 'failover', {
    ...failoverVariables(addresses, replication),
    REGION_WATCH: watch,
  });
  const until = Date.now() + switchEndsWithinMs;
  while ((await holderOf(hubUrl)) !== null) {
    if (Date.now() > until) {
      await application.start('api');
      throw new Error(
        `${holder} has not ended. Ask ${application.apiUrl}/v1/transactions/${holder}/explain why, decide, and bring the regions up again.`,
      );
    }
    await pause(lookEveryMs);
  }
}

const secretOf = (name: string): Promise<string> => secret(profile, name);

const provisionHub = ({ mysql }: Stack): Promise<DatabaseUrls> =>
  provision(mysql.adminUrl, {
    ...shopDatabases,
    prefix: databasePrefix,
    secret: secretOf,
    only: ['accord'],
  });

const ofRegions = databases.filter((name) => name !== 'accord');

const addressesOfActive = ({ mysqlUrl }: ClusterAddresses): Promise<DatabaseUrls> =>
  addressesOf(mysqlUrl, {
    ...shopDatabases,
    prefix: databasePrefix,
    secret: secretOf,
    only: ofRegions,
  });

const provisionActive = async (
  { mysql }: Stack,
  { mysqlUrl }: ClusterAddresses,
): Promise<DatabaseUrls> =>
  provision(mysqlUrl, {
    ...shopDatabases,
    prefix: databasePrefix,
    secret: secretOf,
    only: ofRegions,
    installation: await installationAt(mysql.adminUrl, `${databasePrefix}accord`),
  });

/** Databases and users of the hub and of the active region, of a cluster that is up. Safe to repeat. */
export async function provisionRegions(): Promise<DatabaseUrls> {
  const stack = await readStack(profile);
  if (!stack) throw new Error('No regions: bring them up with npm run regions -- up.');
  return joined(await provisionHub(stack), await provisionActive(stack, clusterAddresses()));
}

/** The MySQL servers of a cluster that is up, as its hub sees them. */
export async function regionServersOf(stack: Stack): Promise<RegionServers> {
  const hubUrl = hubUrlOf(stack);
  const { active } = await rolesOf(hubUrl);
  const { regions: addresses } = clusterAddresses();
  const standbys = await standbysOf(hubUrl);
  return {
    active: addresses[active].mysqlUrl,
    standbys: new Map(standbys.map((region) => [region, addresses[region].mysqlUrl])),
  };
}

/** Address of the hub's own database, for the administrator. */
export function hubUrlOf({ mysql }: Stack): string {
  const url = new URL(mysql.adminUrl);
  url.pathname = `/${databasePrefix}accord`;
  return url.toString();
}

/** One variable may name databases of the hub and of the regions. */
function joined(hub: DatabaseUrls, regional: DatabaseUrls): DatabaseUrls {
  const entries = databaseVariables.map((name) => [
    name,
    [hub[name], regional[name]].filter((url) => url !== '').join(','),
  ]);
  return Object.fromEntries(entries) as DatabaseUrls; // Each of the variables.
}

/** A relay and a consumer belong to one Kafka, and so to one region; the others know none. */
function processesOf(
  workers: number,
  failover: Variables,
  cluster: ClusterAddresses,
): ReadonlyMap<string, ClusterProcess> {
  const plain = ['api', ...Array.from({ length: workers }, (_, at) => `worker-${at + 1}`)];
  return new Map<string, ClusterProcess>([
    ...plain.map(
      (name) => [name, { role: name === 'api' ? 'api' : 'worker', variables: {} }] as const,
    ),
    ['failover', { role: 'failover', variables: failover }] as const,
    ...regions.flatMap((region) => {
      const variables = {
        ACCORD_REGION: region,
        KAFKA_BROKERS: cluster.regions[region].brokers.join(','),
      };
      return [
        [`relay-${region}`, { role: 'relay', variables }] as const,
        [`consumer-${region}`, { role: 'consumer', variables }] as const,
      ];
    }),
  ]);
}

/** How the hub reaches each region, for who switches them. */
function failoverVariables(
  { router, regions: addresses }: ClusterAddresses,
  replication: Replication,
): Variables {
  const access = regions.map((region) => {
    const { mysqlUrl, redisUrl, brokers, straight, agent, links } = addresses[region];
    return [
      region,
      {
        mysqlUrl,
        redisUrl,
        mysql: new URL(straight.mysqlUrl).host,
        redis: new URL(straight.redisUrl).host,
        brokers,
        agent,
        source: { host: '127.0.0.1', port: links.mysql, ...replication },
        redisLink: { host: '127.0.0.1', port: links.redis },
      },
    ] as const;
  });
  return {
    ROUTER_ADDRESS: router,
    REGIONS: JSON.stringify(Object.fromEntries(access)),
    REGION_DATABASES: ofRegions.map((name) => `${databasePrefix}${name}`).join(','),
  };
}
