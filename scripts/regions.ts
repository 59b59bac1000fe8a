/** npm run regions: a cluster of two regions on this machine, and how its regions are. */
import Table from 'cli-table3';
import { Command } from 'commander';
import colors from 'picocolors';

import { stateOf, withRegion, type MySqlRegionState } from '../activities/regions/mysql-region';
import { clusterAddresses } from './regions/addresses';
import { developerCredential } from './local-application';
import { bringUpCluster, hubUrlOf } from './regions/cluster';
import { rolesOf } from './regions/roles';
import { openOperators, type Ended } from './regions/operators';
import { regions, type Region } from './stack/profile';
import { portFor, readStack, takeDown, type Stack } from './stack/stack';
import { reasonOf } from './stack/waiting';

interface Options {
  readonly json?: boolean;
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
  'Two regions {MySQL, Redis, Kafka}, a hub, and the application on them.',
);
program
  .command('up')
  .description('bring up what is missing; the processes stay')
  .action(async () => {
    const { application, urls } = await bringUpCluster({ workers, watch: 'on', say });
    const credential = await developerCredential('regions', urls);
    console.log(tableOf(await statusOfRegions()));
    console.log(`API      ${application.apiUrl}\nAPI key  ${credential}   (tenant acme)`);
  });
program
  .command('status')
  .description('ask each region')
  .option('--json', 'print JSON')
  .action(async ({ json }: Options) => {
    const found = await statusOfRegions();
    console.log(json === true ? JSON.stringify(found, undefined, 2) : tableOf(found));
  });
program
  .command('switch')
  .description('make the other region the active one')
  .requiredOption('--to <region>', 'which one')
  .option('--unplanned', 'the active one is lost')
  .option('--may-begin-alone', 'although no standby acknowledges')
  .action(
    async (options: {
      readonly to: string;
      readonly unplanned?: boolean;
      readonly mayBeginAlone?: boolean;
    }) => {
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
      await tell(await operators.untilEnded(gid), began);
    },
  );
program
  .command('rejoin')
  .description('let a region that was lost stand by again')
  .requiredOption('--region <region>', 'which one')
  .action(async ({ region }: { readonly region: string }) => {
    const began = Date.now();
    const operators = await openOperators(await apiUrlOfRegions());
    await tell(await operators.untilEnded(await operators.askRejoin(region)), began);
  });
program
  .command('down')
  .description('stop everything; the data stay')
  .action(() => takeDown('regions'));

program.parseAsync().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(colors.red(reasonOf(error)));
    process.exit(1);
  },
);

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

function tableOf(found: readonly RegionStatus[]): string {
  const table = new Table({
    head: ['region', 'role', 'writes', 'follows', 'acknowledged by'],
    colWidths: [8, 9, 9, 60, 17],
    wordWrap: true,
  });
  for (const { region, role, mysql } of found) {
    table.push([region, role, ...(mysql ? wordsOf(mysql) : ['does not answer', '', ''])]);
  }
  return table.toString();
}

const wordsOf = ({ isReadOnly, replica, acknowledging }: MySqlRegionState): string[] => [
  isReadOnly ? 'refused' : 'taken',
  replica ? (replica.isPulling && replica.isApplying ? 'yes' : `not now. ${replica.error}`) : '–',
  acknowledging === null ? 'itself alone' : `${acknowledging} standby`,
];

async function tell({ steps, state, summary }: Ended, began: number): Promise<void> {
  for (const { name, state: of, startedAt, endedAt, detail } of steps) {
    const ms = endedAt === null ? '' : `${Date.parse(endedAt) - Date.parse(startedAt)} ms`;
    console.log(`${name.padEnd(16)} ${of.padEnd(8)} ${ms} ${detail ?? ''}`);
  }
  console.log(`${state} after ${Date.now() - began} ms. ${summary}`);
  console.log(tableOf(await statusOfRegions()));
}

function say(line: string): void {
  console.error(colors.dim(line));
}
