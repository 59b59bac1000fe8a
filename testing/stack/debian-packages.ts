/**
 * MySQL and Redis from Debian's newest suite without root: apt with private state downloads, dpkg-deb
 * unpacks, and each program runs by the unpacked libc's own loader. Works on any Debian (also an
 * older one, whose own suites lack them) with the machine's own mirror and the archive's signatures.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { cached } from './cache';
import { findProgram, runCommand } from './command';
import { environmentWith } from './config';
import type { Progress, Task } from './progress';
import { mirrorsOf, type AptSourceFile } from './apt-sources';
import { reasonOf } from '../../runtime/waiting';

/** A program of an unpacked tree: run `file` with `args` before its own. */
export interface UnpackedProgram {
  readonly file: string;
  readonly args: readonly string[];
  readonly root: string;
}

// The suite that rolls: new enough for both servers. The versions are checked after unpacking.
const suite = 'sid';
const packages = ['mysql-server-core', 'redis-server'];
// Only maintainer scripts need them, and they do not run here.
const skipped = /^(perl|libperl|libgdbm|libdb5\.3|adduser|passwd|base-passwd|login|debconf)/;
const minutes = 60_000;

/** A program of the tree, with the loader and the libraries that it was built for. */
export async function unpackedProgram(folder: string, program: string): Promise<UnpackedProgram> {
  const root = join(folder, 'root');
  const libraries = join(root, 'usr', 'lib', await multiarch());
  const loader = readdirSync(libraries).find((name) => /^ld-linux.*\.so/.test(name));
  if (loader === undefined)
    throw new Error(`The unpacked packages hold no loader in ${libraries}.`);
  const path = [libraries, join(libraries, 'mysql', 'private')].join(':');
  return {
    file: join(libraries, loader),
    args: ['--library-path', path, join(root, 'usr', program)],
    root,
  };
}

/** The tree with both servers, fetched once: MySQL and Redis ask at the same time, the second waits. */
export async function debianServers(progress: Progress): Promise<string> {
  for (const tool of ['apt-get', 'apt-config', 'dpkg-deb', 'dpkg'])
    if (findProgram(tool) === undefined) throw new Error(`${tool} is not on PATH`);
  return cached(`debian-${suite}-servers-${await architecture()}`, progress, async (folder) => {
    const task = progress.task('MySQL and Redis');
    try {
      await download(folder, task);
      await unpack(folder, task);
    } finally {
      task.end();
    }
  });
}

async function download(folder: string, task: Task): Promise<void> {
  const mirrors = mirrorsOf(aptSourceFiles(), await codename());
  if (mirrors.length === 0)
    throw new Error("the machine's apt sources name no mirror of the Debian main archive");
  const failures: string[] = [];
  for (const { uri, signedBy } of mirrors) {
    try {
      const keyring = [signedBy, ...keyrings].find(
        (file) => file !== undefined && existsSync(file),
      );
      if (keyring === undefined) throw new Error('the keyring of the Debian archive is missing');
      const conf = await privateApt(folder, `deb [signed-by=${keyring}] ${uri} ${suite} main`);
      task.update('reading the package index');
      await apt(conf, ['update', '-o', 'APT::Update::Error-Mode=any'], task);
      task.update('downloading packages');
      await apt(conf, ['install', '-y', '--download-only', ...packages], task);
      return;
    } catch (error) {
      failures.push(reasonOf(error));
    }
  }
  throw new Error(failures.join('\n'));
}

const keyrings = [
  '/usr/share/keyrings/debian-archive-keyring.gpg',
  '/usr/share/keyrings/debian-archive-keyring.pgp',
];

function apt(conf: string, args: readonly string[], task: Task): Promise<string> {
  let fetched = 0;
  return runCommand('apt-get', args, {
    env: environmentWith({ APT_CONFIG: conf, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }),
    timeoutMs: 15 * minutes,
    onLine: (line) => {
      if (!line.startsWith('Get:')) return;
      fetched += 1;
      task.update(`${fetched} files downloaded`);
    },
  });
}

/**
 * A configuration under which apt touches nothing of the machine. Only how to reach a mirror (proxy,
 * credentials, time checks) is taken over; hooks and pins are not.
 */
async function privateApt(folder: string, source: string): Promise<string> {
  const at = (...path: string[]): string => join(folder, 'apt', ...path);
  for (const path of [at('state', 'lists', 'partial'), at('cache', 'archives', 'partial')])
    mkdirSync(path, { recursive: true });
  writeFileSync(at('status'), ''); // Nothing is installed: apt resolves the whole closure.
  writeFileSync(at('sources.list'), `${source}\n`);
  const dump = await runCommand('apt-config', ['dump'], { timeoutMs: 10_000 });
  const reaching = dump
    .split('\n')
    .filter((line) => line.startsWith('Acquire::') && !line.startsWith('Acquire::IndexTargets'));
  const own = {
    'Dir::State': at('state'),
    'Dir::State::status': at('status'),
    'Dir::State::lists': at('state', 'lists'),
    'Dir::Cache': at('cache'),
    'Dir::Cache::archives': at('cache', 'archives'),
    'Dir::Etc::sourcelist': at('sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::parts': '/dev/null',
    'Dir::Etc::main': '/dev/null',
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': 'root', // The folder belongs to this user alone: no second user to download as.
    'Acquire::Languages': 'none',
    'Debug::NoLocking': 'true',
  };
  const lines = Object.entries(own).map(([key, value]) => `${key} "${value}";`);
  writeFileSync(at('apt.conf'), `${[...reaching, ...lines].join('\n')}\n`);
  return at('apt.conf');
}

async function unpack(folder: string, task: Task): Promise<void> {
  const archives = join(folder, 'apt', 'cache', 'archives');
  const files = readdirSync(archives).filter(
    (name) => name.endsWith('.deb') && !skipped.test(name),
  );
  for (const [index, name] of files.entries()) {
    task.update(`unpacking ${index + 1} of ${files.length} packages`, index / files.length);
    await runCommand('dpkg-deb', ['-x', join(archives, name), join(folder, 'root')], {
      timeoutMs: 2 * minutes,
    });
  }
  rmSync(join(folder, 'apt'), { recursive: true, force: true });
}

function aptSourceFiles(): readonly AptSourceFile[] {
  const parts = '/etc/apt/sources.list.d';
  const names = existsSync(parts) ? readdirSync(parts).sort() : [];
  return ['/etc/apt/sources.list', ...names.map((name) => join(parts, name))]
    .filter((file) => /\.(list|sources)$/.test(file) && existsSync(file))
    .map((file) => ({ name: file, text: readFileSync(file, 'utf8') }));
}

async function codename(): Promise<string | undefined> {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return Promise.resolve(/^VERSION_CODENAME="?([\w-]+)/m.exec(text)?.[1]);
}

const architecture = (): Promise<string> => dpkg('--print-architecture');

// From dpkg-architecture's table; that program itself belongs to the development packages.
async function multiarch(): Promise<string> {
  const triplets: Readonly<Record<string, string>> = {
    amd64: 'x86_64-linux-gnu',
    arm64: 'aarch64-linux-gnu',
    armhf: 'arm-linux-gnueabihf',
    i386: 'i386-linux-gnu',
    ppc64el: 'powerpc64le-linux-gnu',
  };
  const name = await architecture();
  return triplets[name] ?? `${name}-linux-gnu`;
}

async function dpkg(question: string): Promise<string> {
  return (await runCommand('dpkg', [question], { timeoutMs: 10_000 })).trim();
}
