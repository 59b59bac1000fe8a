import { Command, InvalidArgumentError, Option } from 'commander';

import {
  colors,
  conclude,
  jsonOption,
  print,
  reportTo,
  runCommandAndLeave,
  tableOf,
  type JsonTarget,
  type Verdict,
} from '../../scripts/report';
import { showLogs } from './logs';
import { serverNames, serversOf, stackProfiles, type Profile, type ServerName } from './profile';
import {
  bringUp,
  isServerName,
  masked,
  readStack,
  reset,
  restartServer,
  status,
  takeDown,
  type ServerStatus,
  type Stack,
} from './stack';

interface CommonOptions {
  readonly profile: Profile;
  readonly json?: JsonTarget;
}

const exitNotHealthy = 3;

const program = new Command('stack')
  .usage('<command> [options]')
  .description('Real servers for this checkout: Temporal with its UI, MySQL, Redis, Kafka.')
  .addHelpText(
    'after',
    `
Each server is taken from the first source that works: an address in the environment
(TEMPORAL_ADDRESS, MYSQL_URL, REDIS_URL, KAFKA_BROKERS), Docker Compose, a program on PATH,
or one that is fetched or built once into the cache of this user.

Exit codes: 0 done · 2 failed · ${exitNotHealthy} status: not every server is healthy.`,
  );

reporting('up', 'Start what is not running and wait until every server works.').action(
  async ({ profile, json }: CommonOptions) => {
    const began = Date.now();
    const stack = await bringUp(profile);
    const seconds = ((Date.now() - began) / 1000).toFixed(1);
    print(addresses(stack));
    conclude(json, shown(stack), {
      ok: true,
      sentence: `The ${profile} stack works (${seconds} s).`,
    });
  },
);

reporting('status', 'Ask every server whether it works.').action(
  async ({ profile, json }: CommonOptions) => {
    const found = await status(profile);
    const uiUrl = (await readStack(profile))?.temporal.uiUrl;
    print(tableOfServers(found) + (uiUrl === undefined ? '' : `\nTemporal UI: ${uiUrl}`));
    const verdict = verdictOf(profile, found);
    conclude(json, { profile, servers: found, temporalUi: uiUrl ?? null }, verdict);
    if (!verdict.ok) process.exitCode = exitNotHealthy;
  },
);

reporting('down', 'Stop what this checkout started. Data stay.').action(
  async ({ profile, json }: CommonOptions) => {
    await takeDown(profile);
    conclude(
      json,
      { profile, up: false },
      { ok: true, sentence: `The ${profile} stack is down; its data stay.` },
    );
  },
);

reporting('reset', 'Stop what this checkout started and remove its data, logs and secrets.').action(
  async ({ profile, json }: CommonOptions) => {
    await reset(profile);
    conclude(
      json,
      { profile, up: false },
      { ok: true, sentence: `The ${profile} stack is down and its data are gone.` },
    );
  },
);

command(
  'env',
  'Print the addresses as a process reads them from its environment, passwords included.',
).action(async ({ profile }: CommonOptions) => {
  const stack = await readStack(profile);
  if (!stack) throw new Error(`Bring the servers up first: stack up --profile ${profile}.`);
  for (const [name, value] of Object.entries(variablesOf(stack))) console.log(`${name}=${value}`);
});

reporting('restart', 'Start one server of this checkout again, on its data, whatever became of it.')
  .argument('<server>', `one of ${serverNames.join(', ')}`, serverNameOf)
  .action(async (name: ServerName, { profile, json }: CommonOptions) => {
    await restartServer(profile, name);
    const sentence = `${name} of the ${profile} stack works again.`;
    conclude(json, { profile, restarted: name }, { ok: true, sentence });
  });

command('logs', 'Print the last log lines of one server, or of all.')
  .argument('[server]', `one of ${serverNames.join(', ')}`, serverNameOf)
  .option('-f, --follow', 'go on until Ctrl-C')
  .action(
    async (
      name: ServerName | undefined,
      { profile, follow }: CommonOptions & { readonly follow?: boolean },
    ) => {
      await showLogs(profile, name === undefined ? serversOf(profile) : [name], follow === true);
    },
  );

runCommandAndLeave(program);

function command(name: string, description: string): Command {
  const profile = new Option('-p, --profile <name>', 'which set of servers')
    .choices(stackProfiles)
    .default('dev' satisfies Profile);
  return program.command(name).description(description).addOption(profile);
}

/** One that has something to report. */
function reporting(name: string, description: string): Command {
  return command(name, description)
    .addOption(jsonOption())
    .hook('preAction', (_, called) => reportTo(called.opts<CommonOptions>().json));
}

function serverNameOf(name: string): ServerName {
  if (isServerName(name)) return name;
  throw new InvalidArgumentError(`The server must be one of ${serverNames.join(', ')}.`);
}

const head = ['server', 'source', 'address', 'pid', 'healthy'];

const tableOfServers = (found: readonly ServerStatus[]): string =>
  tableOf(
    head,
    found.map(({ title, version, source, address, pid, isHealthy, failure }) => [
      version?.startsWith(title) === true ? version : title,
      source ?? '–',
      address ?? '–',
      pid ?? '–',
      isHealthy ? colors.green('yes') : colors.red(`no: ${failure?.split('\n')[0] ?? 'unknown'}`),
    ]),
  );

/** Who is not healthy is named, so that the last line alone says what to look at. */
function verdictOf(profile: Profile, found: readonly ServerStatus[]): Verdict {
  const unhealthy = found.filter(({ isHealthy }) => !isHealthy).map(({ title }) => title);
  return unhealthy.length === 0
    ? { ok: true, sentence: `Every server of ${profile} works.` }
    : { ok: false, sentence: `Of ${profile} these do not work: ${unhealthy.join(', ')}.` };
}

function addresses({ temporal, mysql, redis, kafka }: Stack): string {
  const lines = [
    ['Temporal', temporal.address],
    ['Temporal UI', temporal.uiUrl ?? 'not known'],
    ['MySQL', masked(mysql.adminUrl)],
    ['Redis', masked(redis.url)],
    ['Kafka', kafka.brokers.join(', ')],
  ] as const;
  return lines.map(([title, address]) => `  ${title.padEnd(12)} ${address}`).join('\n');
}

/** What may stand in a log: no password and no secret. */
const variablesOf = ({ temporal, mysql, redis, kafka }: Stack) => ({
  TEMPORAL_ADDRESS: temporal.address,
  TEMPORAL_NAMESPACE: temporal.namespace,
  MYSQL_URL: mysql.adminUrl,
  REDIS_URL: redis.url,
  KAFKA_BROKERS: kafka.brokers.join(','),
});

function shown({ secrets, mysql, redis, ...rest }: Stack): unknown {
  return {
    ...rest,
    mysql: { adminUrl: masked(mysql.adminUrl) },
    redis: { url: masked(redis.url) },
    secrets: Object.keys(secrets),
  };
}
