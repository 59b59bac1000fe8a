/** npm run regions: a cluster of two regions on this machine, and how its regions are. */
import { Command } from 'commander';

import {
  stateOf,
  withRegion,
  type MySqlRegionState,
} from '../activities/regions/switch/mysql-region';
import {
  conclude,
  jsonOption,
  print,
  printJson,
  reportTo,
  runCommandAndLeave,
  say,
  tableOf,
  type JsonTarget,
} from './report';
import { clusterAddresses } from '../testing/drills/addresses';
import { developerCredential } from '../testing/environment/local-application';
import { bringUpCluster, hubUrlOf } from '../testing/drills/cluster';
import { rolesOf } from '../testing/drills/roles';
import { openOperators, type Ended } from '../testing/drills/operators';
import { regions, type Region } from '../testing/stack/profile';
import { portFor, readStack, takeDown, type Stack } from '../testing/stack/stack';

interface Options {
  readonly json?: JsonTarget;
}

interface RegionStatus {
  readonly region: Region;
  readonly role: 'active' | 'standby';
  /** `null`: it does not answer. */
  readonly mysql: MySqlRegionState | null;
}

const workers = 2;
const answerWithinMs = 2_000;

const program = new Command('regions').description(
  'Runs two regions (MySQL, Redis, Kafka), a hub, and the application.',
);
program
  .command('up')
  .description('start what is not running; the processes keep running')
  .action(async () => {
    const { application, urls } = await bringUpCluster({ workers, watch: 'on', say });
    const credential = await developerCredential('regions', urls);
    print(tableOfRegions(await statusOfRegions()));
    print(`API      ${application.apiUrl}\nAPI key  ${credential}   (tenant acme)`);
  });
program
  .command('status')
  .description('show the state of each region')
  .addOption(jsonOption())
  .action(async ({ json }: Options) => {
    reportTo(json);
    const found = await statusOfRegions();
    print(tableOfRegions(found));
    printJson(json, found);
  });
program
  .command('switch')
  .description('make the other region the active one')
  .requiredOption('--to <region>', 'region to make active')
  .option('--unplanned', 'the active region has failed')
  .option('--may-begin-alone', 'begin even if no standby acknowledges commits')
  .addOption(jsonOption())
  .action(
    async (options: {
      readonly to: string;
      readonly unplanned?: boolean;
      readonly mayBeginAlone?: boolean;
      readonly json?: JsonTarget;
    }) => {
      reportTo(options.json);
      const began = Date.now();
      const operators = await openOperators(await apiUrlOfRegions());
      const { active } = await rolesOf(hubUrlOf(await stackOfRegions()));
      const gid = await operators.ask({
        from: active,
        to: options.to,
        kind: options.unplanned === true ? 'unplanned' : 'planned',
        reason: 'npm run regions',
        force: options.mayBeginAlone === true,
      });
      await tell(await operators.untilEnded(gid), began, options.json);
    },
  );
program
  .command('rejoin')
  .description('let a region that was lost stand by again')
  .requiredOption('--region <region>', 'region that rejoins')
  .addOption(jsonOption())
  .action(async ({ region, json }: Options & { readonly region: string }) => {
    reportTo(json);
    const began = Date.now();
    const operators = await openOperators(await apiUrlOfRegions());
    await tell(await operators.untilEnded(await operators.askRejoin(region)), began, json);
  });
program
  .command('down')
  .description('stop everything; keep the data')
  .action(() => takeDown('regions'));

runCommandAndLeave(program);

async function stackOfRegions(): Promise<Stack> {
  const stack = await readStack('regions');
  if (!stack) throw new Error('No regions: bring them up with npm run regions -- up.');
  return stack;
}

async function apiUrlOfRegions(): Promise<string> {
  return `http://127.0.0.1:${await portFor('regions', 'api')}`;
}

async function statusOfRegions(): Promise<readonly RegionStatus[]> {
  const { active } = await rolesOf(hubUrlOf(await stackOfRegions()));
  const addresses = clusterAddresses();
  return Promise.all(
    regions.map(async (region) => ({
      region,
      role: region === active ? ('active' as const) : ('standby' as const),
      mysql: await withRegion(addresses.regions[region].mysqlUrl, answerWithinMs, stateOf).catch(
        () => null,
      ),
    })),
  );
}

const head = ['region', 'role', 'writes', 'follows', 'acknowledged by'];

const tableOfRegions = (found: readonly RegionStatus[]): string =>
  tableOf(
    head,
    found.map(({ region, role, mysql }) => {
      return [region, role, ...(mysql ? wordsOf(mysql) : ['does not answer', '', ''])];
    }),
  );

const wordsOf = ({ isReadOnly, replica, acknowledging }: MySqlRegionState): string[] => [
  isReadOnly ? 'refused' : 'taken',
  replica ? (replica.isPulling && replica.isApplying ? 'yes' : `not now. ${replica.error}`) : '–',
  acknowledging === null ? 'itself alone' : `${acknowledging} standby`,
];

async function tell(
  { steps, state, summary }: Ended,
  began: number,
  json: JsonTarget,
): Promise<void> {
  const ms = Date.now() - began;
  const rows = steps.map(({ name, state: of, startedAt, endedAt, detail }) => {
    const tookMs = endedAt === null ? '' : `${Date.parse(endedAt) - Date.parse(startedAt)} ms`;
    return [name, of, tookMs, detail ?? ''];
  });
  print(tableOf(['step', 'state', 'took', 'detail'], rows));
  print(tableOfRegions(await statusOfRegions()));
  const sentence = `${state} after ${ms} ms. ${summary}`;
  conclude(json, { state, ms, summary, steps }, { ok: state === 'completed', sentence });
}
