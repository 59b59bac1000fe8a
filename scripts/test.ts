/**
 * npm test: every test of the house, on servers of its own. Each project is a Jest run, one after the other: the
 * machine is small, and what is slow shows. Arguments go to Jest as they are, in one run: npm test --
 * tests/unit/contracts
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { z } from 'zod';

import { build } from '../testing/environment/build';
import { checkout, environmentWith, givenAddresses } from '../testing/stack/config';
import { withLock } from '../testing/stack/lock';
import { ownedProcesses, stopProcess, type OwnedProcess } from '../testing/stack/process';
import { bringUp, isServerName, readStack, takeDown, type Stack } from '../testing/stack/stack';
import { reasonOf } from '../runtime/waiting';
import { openConnection } from '../runtime/mysql/door';

const handedOn = ['SIGINT', 'SIGTERM'] as const;
const projects = ['unit', 'replay', 'workflows', 'integration', 'e2e'] as const;

/** Time limit from Jest's report to its end; idle connections of the drivers take seconds. */
const endsWithinMs = 20_000;

/** Result of one Jest run, as its option `--json` writes it. */
const resultSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  /** Files that could not even be loaded: no test of theirs is counted, so each is a failure. */
  numRuntimeErrorTestSuites: z.number(),
});

interface Count {
  readonly title: string;
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
}

/** Told to end: what Jest has in hand ends, nothing follows, and the servers go as they came. */
let isInterrupted = false;

const usage = `Usage: npm test [-- options of Jest, or files]

Every test, on servers of its own; the last line is "N passed, N failed". Jest's own --json is of one run:
npm test -- tests/unit/contracts --json --outputFile=FILE`;
if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
  console.log(usage);
  process.exit();
}

void withLock(join(checkout, '.accord', 'tests.lock'), main, (pid) =>
  console.error(`The tests run already (process ${pid}): waiting.`),
).then(
  (isGreen) => process.exit(isGreen ? 0 : 1),
  (error: unknown) => {
    console.error(reasonOf(error));
    console.log('0 passed, 1 failed');
    process.exit(1);
  },
);

async function main(): Promise<boolean> {
  const parameters = process.argv.slice(2);
  const wereServersUp = (await readStack('test')) !== undefined;
  const [stack] = await Promise.all([bringUp('test'), build()]);
  const counts: Count[] = [];
  try {
    await removeLeftovers(stack);
    if (parameters.length > 0) counts.push(await runJest(parameters.join(' '), parameters));
    else counts.push(...(await runProjects()));
  } finally {
    if (!wereServersUp) await takeDown('test');
  }
  return tell(counts);
}

async function runProjects(): Promise<readonly Count[]> {
  const counts: Count[] = [];
  for (const project of projects) {
    if (isInterrupted) break;
    // End to end one file at a time: its processes would starve each other.
    const inBand = project === 'e2e' ? ['--runInBand'] : [];
    counts.push(await runJest(project, ['--selectProjects', project, ...inBand]));
  }
  return counts;
}

async function runJest(title: string, parameters: readonly string[]): Promise<Count> {
  const folder = mkdtempSync(join(tmpdir(), 'accord-tests-'));
  const outputFile = join(folder, 'result.json');
  const began = Date.now();
  try {
    const code = await spawnJest(parameters, outputFile);
    const { passed, failed } = countOf(outputFile);
    // A run that failed without a failed test is a failure of its own, such as one that found no test.
    const atLeast = code === 0 ? 0 : 1;
    const seconds = (Date.now() - began) / 1_000;
    return { title, passed, failed: Math.max(failed, atLeast), seconds };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function countOf(outputFile: string): { readonly passed: number; readonly failed: number } {
  try {
    const result = resultSchema.parse(JSON.parse(readFileSync(outputFile, 'utf8')));
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
    return { passed: result.numPassedTests, failed };
  } catch {
    return { passed: 0, failed: 1 }; // Jest itself has failed.
  }
}

/**
 * Runs Jest to its end. It prints its report on standard error; the JSON goes to the file alone. One that has reported
 * and does not end, because a test left something open, is ended: a failure, not a wait without end.
 */
function spawnJest(parameters: readonly string[], outputFile: string): Promise<number> {
  const jest = join(checkout, 'node_modules', 'jest', 'bin', 'jest.js');
  const reporting = ['--json', `--outputFile=${outputFile}`];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [jest, ...parameters, ...reporting], {
      cwd: checkout,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: environmentWith({ NODE_ENV: 'test' }),
    });
    const handOn = (signal: NodeJS.Signals): void => {
      isInterrupted = true;
      child.kill(signal);
    };
    for (const name of handedOn) process.on(name, handOn);
    const watch = setInterval(() => {
      if (hasReportedLongAgo(outputFile)) child.kill('SIGKILL');
    }, 1_000);
    child.once('error', reject);
    child.once('close', (code) => {
      clearInterval(watch);
      for (const name of handedOn) process.off(name, handOn);
      resolve(code ?? 1);
    });
  });
}

function hasReportedLongAgo(outputFile: string): boolean {
  const written = statSync(outputFile, { throwIfNoEntry: false });
  return written !== undefined && Date.now() - written.mtimeMs > endsWithinMs;
}

/** @returns whether everything passed, and something ran. */
function tell(counts: readonly Count[]): boolean {
  const sum = (pick: (count: Count) => number): number =>
    counts.reduce((total, count) => total + pick(count), 0);
  const passed = sum((count) => count.passed);
  const failed = sum((count) => count.failed);
  for (const count of counts) {
    const result = `${count.passed} passed, ${count.failed} failed`;
    console.log(`${count.title.padEnd(12)} ${result}, ${count.seconds.toFixed(0)} s`);
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0;
}

/** Older than any test file takes: what a killed run has left, not what another one uses. */
const leftoverMinutes = 30;
const ownDatabase = /^t[0-9a-f]{8}_[a-z]+$/;

/** Removes processes, databases and users of test runs that were killed. Never on somebody else's server. */
async function removeLeftovers({ folder, mysql }: Stack): Promise<void> {
  const left = ownedProcesses(folder)
    .filter(({ name }) => !isServerName(name))
    .filter(isOld);
  await Promise.all(left.map(({ name }) => stopProcess(folder, name)));
  if (givenAddresses().mysql === undefined) await dropDatabases(mysql.adminUrl);
}

const isOld = ({ startedAt }: OwnedProcess): boolean =>
  Date.now() - Date.parse(startedAt) > leftoverMinutes * 60_000;

async function dropDatabases(adminUrl: string): Promise<void> {
  const admin = await openConnection({ url: adminUrl });
  try {
    const names = await oldDatabases(admin);
    for (const name of names) await admin.query(`DROP DATABASE IF EXISTS \`${name}\``);
    const prefixes = new Set(names.map((name) => name.slice(0, name.indexOf('_') + 1)));
    for (const prefix of prefixes) await dropUsers(admin, prefix);
  } finally {
    await admin.end();
  }
}

async function oldDatabases(admin: Connection): Promise<readonly string[]> {
  const [rows] = await admin.query<(RowDataPacket & { name: string })[]>(
    `SELECT table_schema AS name FROM information_schema.tables GROUP BY table_schema
       HAVING MAX(create_time) < NOW() - INTERVAL ? MINUTE`,
    [leftoverMinutes],
  );
  return rows.map(({ name }) => name).filter((name) => ownDatabase.test(name));
}

async function dropUsers(admin: Connection, prefix: string): Promise<void> {
  const [users] = await admin.query<(RowDataPacket & { user: string })[]>(
    'SELECT user AS user FROM mysql.user WHERE LEFT(user, ?) = ?',
    [prefix.length, prefix],
  );
  for (const { user } of users) await admin.query(`DROP USER IF EXISTS ?@'%'`, [user]);
}
