/** npm start: everything, on this machine, until Ctrl-C. */
import { Command, InvalidArgumentError, Option } from 'commander';

import {
  colors,
  jsonOption,
  print,
  printJson,
  reportTo,
  runCommandAndLeave,
  say,
  type JsonTarget,
} from './report';
import {
  bringUpApplication,
  developerCredential,
  stopAll,
  type LocalApplication,
} from '../testing/environment/local-application';
import { stopSignal } from '../testing/environment/interruption';
import { withLock } from '../testing/stack/lock';
import { ownedProcesses, stopProcess } from '../testing/stack/process';
import { folderOf, profiles, startLockOf, type Profile } from '../testing/stack/profile';
import { deadServers, isServerName, takeDown } from '../testing/stack/stack';
import { pause } from '../runtime/waiting';
import { createSupervision, superviseEveryMs } from '../testing/environment/supervision';

interface Options {
  readonly profile: Profile;
  readonly workers: number;
  readonly json?: JsonTarget;
  readonly down?: boolean;
}

const workersMax = 16;
/** The parent process, as long as it lives. */
const parent = process.ppid;

runCommandAndLeave(
  new Command('start')
    .description(
      'Brings up servers, databases, API and workers, and keeps them running until Ctrl-C.',
    )
    .option('-w, --workers <number>', 'transaction workers', workersOf, 2)
    .addOption(jsonOption())
    .option('--down', 'stop the servers at the end, too; keep their data')
    .addOption(
      new Option('-p, --profile <name>', 'profile of the servers').choices(profiles).default('dev'),
    )
    .action(start),
);

/** One at a time in a folder: two would stop and start each other's processes. */
function start(options: Options): Promise<void> {
  const { profile } = options;
  return withLock(
    startLockOf(profile),
    () => run(options),
    (pid) => {
      throw new Error(
        `npm start runs already in this folder for the profile ${profile}, as process ${pid}: end that one first, or choose another --profile.`,
      );
    },
  );
}

async function run({ profile, workers, json, down }: Options): Promise<void> {
  reportTo(json);
  const stopping = stopSignal();
  await stopLeftovers(profile);
  const local = await bringUpApplication(profile, { workers, say, endsWithUs: true });
  const credential = await developerCredential(profile, local.urls);
  print(welcome(local, credential));
  printJson(json, addressesOf(local, credential));
  await supervise(local, stopping);
  say('Stopping; open calls finish first …');
  await stopAll(local.application, local.processes.keys());
  if (down === true) await takeDown(profile);
  say(down === true ? 'Everything is down; the data stay.' : 'Stopped. The servers are still up.');
}

/** An earlier start that was killed has left its processes, perhaps of an older build. */
async function stopLeftovers(profile: Profile): Promise<void> {
  const folder = folderOf(profile);
  const left = ownedProcesses(folder).filter(({ name }) => !isServerName(name));
  if (left.length === 0) return;
  say(`Stopping processes of an earlier start: ${left.map(({ name }) => name).join(', ')}.`);
  await Promise.all(left.map(({ name }) => stopProcess(folder, name)));
}

/** Waits for the first signal, or for the end of the parent process. */
async function supervise(
  { stack, application, processes }: LocalApplication,
  stopping: AbortSignal,
): Promise<void> {
  const isStopping = (): boolean => stopping.aborted || process.ppid !== parent;
  const supervision = createSupervision({
    processes,
    application,
    deadServers: () => deadServers(stack.profile),
    restartCommand: (name) => `npm run stack -- restart ${name} --profile ${stack.profile}`,
    say,
    now: Date.now,
    isStopping,
  });
  while (!isStopping()) {
    await supervision.look();
    await pause(superviseEveryMs);
  }
}

function addressesOf(
  { stack, application, processes }: LocalApplication,
  credential: string,
): object {
  return {
    api: application.apiUrl,
    docs: `${application.apiUrl}/docs`,
    temporalUi: stack.temporal.uiUrl ?? null,
    credential,
    processes: Object.fromEntries(
      [...processes.keys()].map((name) => [name, application.process(name)?.pid ?? null]),
    ),
  };
}

function welcome({ stack, application }: LocalApplication, credential: string): string {
  const { apiUrl } = application;
  return `
${colors.bold('Accord is up.')}
  API          ${apiUrl}
  API docs     ${apiUrl}/docs
  Temporal UI  ${stack.temporal.uiUrl ?? 'not known'}
  Logs         ${stack.folder}/logs
  API key      ${credential}   (tenant acme, for this machine alone)
  Operators    npm run operator-token -- --sub alice --profile ${stack.profile}

${colors.bold('Place an order:')}
curl -s ${apiUrl}/v1/orders \\
  -H 'Authorization: Bearer ${credential}' \\
  -H "Idempotency-Key: $(date +%s%N)" -H 'Prefer: wait=10' -H 'Content-Type: application/json' \\
  -d '{"customerId":"C-1","lines":[{"sku":"S-1","quantity":2,"unitPrice":{"currency":"EUR","minorUnits":625}}],"payment":{"accountId":"A-1","amount":{"currency":"EUR","minorUnits":1250}}}'

Ctrl-C stops the application.`;
}

function workersOf(text: string): number {
  const workers = Number(text);
  if (Number.isInteger(workers) && workers >= 1 && workers <= workersMax) return workers;
  throw new InvalidArgumentError(`It must be a whole number, 1 to ${workersMax}.`);
}
