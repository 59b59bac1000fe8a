import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import type { Connection } from '@temporalio/client';

import { searchAttributeTypes } from '../../../contracts/engine/search-attributes';
import { cached } from '../cache';
import { findProgram, isAtLeast, runCommand } from '../command';
import { checkout, environmentWith, givenAddresses, givenTemporal, unlessSet } from '../config';
import type { Progress, Task } from '../progress';
import { oldestVersion, temporalCliVersion, temporalFlags, temporalNamespace } from '../settings';
import { connectTemporal } from '../temporal-client';
import { pause, within } from '../../../runtime/waiting';
import { portOf, type Program, type Server } from './server';

const minutes = 60_000;
const goPackage = 'github.com/temporalio/cli/cmd/temporal';

export const temporal: Server = {
  name: 'temporal',
  title: 'Temporal',
  portNames: ['temporal', 'temporalUi', 'temporalMetrics'],
  readyWithinMs: 60_000,
  variable: 'TEMPORAL_ADDRESS',
  isInCompose: true,
  program: `temporal ${oldestVersion.temporal} or later, or Go 1.21 or later to build it`,
  given: () => givenAddresses().temporal,
  addressOf: (context) => `127.0.0.1:${portOf(context, 'temporal')}`,
  findOnPath: async () => {
    const file = findProgram('temporal');
    if (file === undefined) throw new Error('temporal is not on PATH');
    return temporalProgram(file);
  },
  fetch: async (progress) => {
    const folder = await cached(`temporal-${temporalCliVersion}`, progress, (into) =>
      build(into, progress),
    );
    return temporalProgram(join(folder, 'temporal'));
  },
  prepare: ({ folder }) => {
    mkdirSync(join(folder, 'data', 'temporal'), { recursive: true });
    return Promise.resolve();
  },
  launch: (context) => ({
    args: [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--namespace', namespaceOf()],
      ...['--port', String(portOf(context, 'temporal'))],
      ...['--ui-port', String(portOf(context, 'temporalUi'))],
      ...['--metrics-port', String(portOf(context, 'temporalMetrics'))],
      // From the profile's folder, where it is started: SQLite reads a path as a URL, and # as its end.
      ...['--db-filename', 'data/temporal/temporal.db'],
      ...temporalFlags(),
      ...searchAttributeFlags(),
    ],
  }),
  check: (address, isOurs) => within(8_000, 'Temporal', check(address, isOurs)),
};

/** The namespace in use: one of ours, unless the service is somebody else's. */
export function namespaceOf(): string {
  const isGiven = givenAddresses().temporal !== undefined;
  return (isGiven ? givenTemporal().namespace : undefined) ?? temporalNamespace;
}

// The command line writes `Keyword` and `KeywordList`, the list of contracts `KEYWORD` and `KEYWORD_LIST`.
function searchAttributeFlags(): readonly string[] {
  return Object.entries(searchAttributeTypes).flatMap(([name, type]) => [
    '--search-attribute',
    `${name}=${type.toLowerCase().replace(/(?:^|_)(\w)/g, (_all, letter: string) => letter.toUpperCase())}`,
  ]);
}

async function temporalProgram(file: string): Promise<Program> {
  const answer = await runCommand(file, ['--version'], { timeoutMs: 20_000 });
  const version = /version (\d+\.\d+\.\d+)/.exec(answer)?.[1] ?? 'unknown';
  if (!isAtLeast(version, oldestVersion.temporal))
    throw new Error(`${file} is ${version}, older than ${oldestVersion.temporal}`);
  return { file, args: [], version: `Temporal CLI ${version}` };
}

/** The CLI's module has a `replace`, which `go install` refuses: a wrapper module of ours repeats it. */
async function build(into: string, progress: Progress): Promise<void> {
  if (findProgram('go') === undefined) throw new Error('go is not on PATH');
  const task = progress.task('Temporal CLI');
  const env = environmentWith({
    CGO_ENABLED: '0',
    GOWORK: 'off',
    GOFLAGS: '',
    ...unlessSet('GOTOOLCHAIN', 'auto'), // An older Go fetches the one that the module asks for.
  });
  const cwd = join(checkout, 'testing', 'stack', 'temporal-cli');
  try {
    task.update('downloading Go modules');
    await runCommand('go', ['mod', 'download'], { cwd, env, timeoutMs: 20 * minutes });
    const total = await packageCount({ cwd, env });
    await runCommand(
      'go',
      [
        'build',
        '-v',
        '-trimpath',
        '-ldflags',
        linkerFlags,
        '-o',
        join(into, 'temporal'),
        goPackage,
      ],
      {
        ...{ cwd, env, timeoutMs: 60 * minutes },
        onLine: packagesCompiled(task, total),
      },
    );
  } finally {
    task.end();
  }
}

async function packageCount(options: {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}): Promise<number> {
  let count = 0;
  await runCommand('go', ['list', '-deps', goPackage], {
    ...options,
    timeoutMs: 5 * minutes,
    onLine: () => {
      count += 1;
    },
  });
  return count;
}

/** `go build -v` names each package as it is compiled; what its cache holds is not named. */
function packagesCompiled(task: Task, total: number): (line: string) => void {
  let compiled = 0;
  task.update('compiling', 0);
  return () => {
    compiled += 1;
    task.update(`${compiled} of about ${total} packages compiled`, compiled / total);
  };
}

const linkerFlags = `-s -w -X github.com/temporalio/cli/internal/temporalcli.Version=${temporalCliVersion}`;

async function check(address: string, isOurs: boolean): Promise<void> {
  const connection = await connectTemporal(address, { connectTimeout: 3_000 });
  try {
    await connection.withDeadline(Date.now() + 6_000, async () => {
      const namespace = namespaceOf();
      await connection.workflowService.getSystemInfo({});
      await connection.workflowService.describeNamespace({ namespace });
      // Its visibility answers as well: a namespace is usable a moment after it is described.
      await connection.workflowService.countWorkflowExecutions({ namespace });
      await requireSearchAttributes(connection, namespace, isOurs);
    });
  } finally {
    await connection.close();
  }
}

async function requireSearchAttributes(
  connection: Connection,
  namespace: string,
  isOurs: boolean,
): Promise<void> {
  const missing = await missingSearchAttributes(connection, namespace);
  if (missing.length === 0) return;
  if (!isOurs) {
    const flags = missing.map((name) => `--name ${name} --type Keyword`).join(' ');
    throw new Error(
      `The namespace ${namespace} lacks search attributes: add them with \`temporal operator search-attribute create ${flags}\`.`,
    );
  }
  const searchAttributes = Object.fromEntries(
    missing.map((name) => [name, indexedValueTypeOf(name)]),
  );
  await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  while ((await missingSearchAttributes(connection, namespace)).length > 0) await pause(50);
}

/** IndexedValueType of the service's protocol. */
const indexedValueTypes = new Map([
  ['TEXT', 1],
  ['KEYWORD', 2],
  ['INT', 3],
  ['DOUBLE', 4],
  ['BOOL', 5],
  ['DATETIME', 6],
  ['KEYWORD_LIST', 7],
]);

function indexedValueTypeOf(name: string): number {
  const value = indexedValueTypes.get(searchAttributeTypes[name] ?? '');
  if (value === undefined) throw new Error(`The type of the search attribute ${name} is unknown.`);
  return value;
}

async function missingSearchAttributes(
  { operatorService }: Connection,
  namespace: string,
): Promise<readonly string[]> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  return Object.keys(searchAttributeTypes).filter((name) => !(name in customAttributes));
}
