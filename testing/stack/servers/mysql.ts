import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { findProgram, isAtLeast, runCommand } from '../command';
import { givenAddresses } from '../config';
import { debianServers, unpackedProgram } from '../debian-packages';
import type { Region, ServerName } from '../profile';
import { mysqlFlags, mysqlRegionFlags, oldestVersion } from '../settings';
import { within } from '../../../runtime/waiting';
import { portOf, type Context, type Program, type Server } from './server';
import { openConnection } from '../../../runtime/mysql/door';

type MySqlName = Extract<ServerName, `mysql${string}`>;

/** @param flags beside those that every MySQL of ours has; none of them while its data are initialised. */
const mysqlServer = (
  name: MySqlName,
  title: string,
  check: (address: string) => Promise<void>,
  flags: readonly string[] = [],
): Omit<Server, 'variable' | 'given' | 'isInCompose'> => ({
  name,
  title,
  portNames: [name],
  readyWithinMs: 90_000, // After a kill it first repeats its log.
  program: `mysqld ${oldestVersion.mysql} or later (MariaDB is not a substitute)`,
  addressOf: (context) =>
    `mysql://root:${context.passwords.mysql}@127.0.0.1:${portOf(context, name)}`,
  findOnPath: () => {
    const file = ['mysqld', '/usr/sbin/mysqld'].map(programAt).find((found) => found !== undefined);
    if (file === undefined) throw new Error('mysqld is not on PATH');
    return mysqlProgram({ file, args: ['--no-defaults'] });
  },
  fetch: async (progress) => {
    const { file, args, root } = await unpackedProgram(
      await debianServers(progress),
      'sbin/mysqld',
    );
    const places = [
      `--basedir=${join(root, 'usr')}`,
      `--plugin-dir=${join(root, 'usr', 'lib', 'mysql', 'plugin')}`,
      `--lc-messages-dir=${join(root, 'usr', 'share', 'mysql')}`,
      `--character-sets-dir=${join(root, 'usr', 'share', 'mysql', 'charsets')}`,
    ];
    return mysqlProgram({ file, args: [...args, '--no-defaults', ...places] });
  },
  prepare: async (context, program) => {
    await initialise(name, context, program);
    forgetSocket(dataFolder(name, context));
  },
  launch: (context) => ({
    args: [
      `--datadir=${dataFolder(name, context)}`,
      `--port=${portOf(context, name)}`,
      '--bind-address=127.0.0.1',
      // Relative to the data folder: an absolute path of a deep checkout exceeds a socket's 107 bytes.
      `--socket=${socket}`,
      '--pid-file=mysqld.pid',
      ...commonFlags(),
      ...flags,
    ],
  }),
  check: (address) => within(8_000, title, check(address)),
});

/** The only one, or the hub's where there are regions. */
export const mysql: Server = {
  ...mysqlServer('mysql', 'MySQL', writes),
  variable: 'MYSQL_URL',
  isInCompose: true,
  given: () => givenAddresses().mysql,
};

/** Read-only until a promotion: a restarted server does not know its role. */
const mysqlOf = (region: Region, id: number): Server => ({
  ...mysqlServer(
    `mysql-${region}`,
    `MySQL of region ${region}`,
    answers,
    mysqlRegionFlags(region, id),
  ),
  isInCompose: false,
  given: () => undefined,
});
export const regionalMysql = [mysqlOf('a', 1), mysqlOf('b', 2)];

/**
 * mysqld does not start where the pid in this file belongs to a process. It may be a dead process that its parent has
 * not collected yet, or another program with the same pid. The locks on the data already prove that no other mysqld
 * uses them.
 */
const forgetSocket = (data: string): void => rmSync(join(data, `${socket}.lock`), { force: true });
const socket = 'mysqld.sock';

const dataFolder = (name: MySqlName, { folder }: Context): string => join(folder, 'data', name);

const programAt = (name: string): string | undefined =>
  name.startsWith('/') ? (existsSync(name) ? name : undefined) : findProgram(name);

function commonFlags(): readonly string[] {
  const isRoot = process.getuid?.() === 0;
  // mysqld refuses to run as root unless told so; who runs everything as root has decided that.
  return [...mysqlFlags(), '--secure-file-priv=NULL', ...(isRoot ? ['--user=root'] : [])];
}

/** Initialises beside the data folder and renames at the end, with the administrator's password set. */
async function initialise(name: MySqlName, context: Context, program: Program): Promise<void> {
  const folder = dataFolder(name, context);
  if (existsSync(folder)) return;
  const parent = join(context.folder, 'data');
  mkdirSync(parent, { recursive: true });
  for (const entry of readdirSync(parent))
    if (entry.startsWith(`${name}.tmp-`)) rmSync(join(parent, entry), { recursive: true });
  const unfinished = join(parent, `${name}.tmp-${process.pid}`);
  const script = join(context.folder, `${name}-first-start.sql`);
  writeFileSync(script, firstStatements(context), { mode: 0o600 });
  const task = context.progress.task(name);
  task.update('initialising its data');
  try {
    const flags = [`--datadir=${unfinished}`, `--init-file=${script}`, ...commonFlags()];
    await runCommand(program.file, [...program.args, '--initialize-insecure', ...flags], {
      timeoutMs: 180_000,
    });
    renameSync(unfinished, folder);
  } finally {
    task.end();
    rmSync(script, { force: true });
    rmSync(unfinished, { recursive: true, force: true });
  }
}

// The password is made of letters, digits, - and _: it needs no quoting.
const firstStatements = ({ passwords }: Context): string =>
  `ALTER USER 'root'@'localhost' IDENTIFIED BY '${passwords.mysql}';\n`;

async function mysqlProgram(found: {
  readonly file: string;
  readonly args: readonly string[];
}): Promise<Program> {
  const { file, args } = found;
  const answer = await runCommand(file, [...args, '--version'], { timeoutMs: 20_000 });
  if (answer.includes('MariaDB')) throw new Error(`${file} is MariaDB, which is not a substitute`);
  const version = /Ver (\d+\.\d+\.\d+)/.exec(answer)?.[1] ?? 'unknown';
  if (!isAtLeast(version, oldestVersion.mysql))
    throw new Error(`${file} is ${version}, older than ${oldestVersion.mysql}`);
  return { file, args, version: `MySQL ${version}` };
}

async function answers(address: string): Promise<void> {
  const connection = await openConnection({ url: address, connectMs: 3_000 });
  try {
    await connection.query('SELECT @@gtid_executed');
  } finally {
    connection.destroy();
  }
}

async function writes(address: string): Promise<void> {
  const connection = await openConnection({ url: address, connectMs: 3_000 });
  try {
    await connection.query('CREATE DATABASE IF NOT EXISTS accord_stack_check');
    await connection.query(
      'CREATE TABLE IF NOT EXISTS accord_stack_check.checks (id TINYINT PRIMARY KEY, at TIMESTAMP(3) NOT NULL)',
    );
    await connection.query('REPLACE INTO accord_stack_check.checks VALUES (1, NOW(3))');
  } finally {
    connection.destroy();
  }
}
