// Makes a fresh checkout able to run a TypeScript script. Plain Node: it runs before `npm ci`.
//   node scripts/bootstrap.mjs                     installs the packages if they are missing or old
//   node scripts/bootstrap.mjs scripts/x.ts …args  installs, then runs the script by tsx
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(checkout, 'node_modules');
const oldestNode = [20, 19];
// Read at once: npm may be gone before the first program runs.
const parent = process.ppid;
const handedOn = ['SIGINT', 'SIGTERM', 'SIGHUP'];

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  console.error(
    `Accord needs Node ${oldestNode.join('.')} or later, this is ${process.versions.node}: install a newer one, then run the command again.`,
  );
  process.exit(1);
}

/**
 * What is wanted and not there: asked of the packages themselves at each start, some milliseconds. A mark that says
 * "installed" would lie after `npm ci` without development packages (NODE_ENV=production), or a half-removed folder.
 */
function missingPackages() {
  const wanted = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8')).packages;
  const found = laidDown();
  return Object.entries(wanted)
    .filter(([path, { optional, peer }]) => path !== '' && optional !== true && peer !== true)
    .filter(
      ([path, { version }]) =>
        found[path]?.version !== version || !existsSync(join(checkout, path, 'package.json')),
    )
    .map(([path]) => path.replace(/^node_modules\//, ''));
}

/** npm's own record of what it laid down; empty where there is none, or half of one. */
function laidDown() {
  try {
    return JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}

/**
 * Runs a program in this terminal, hands signals on to it and answers with its exit code.
 * With `keep`, what it writes goes there instead of to the terminal.
 */
function run(program, parameters, keep) {
  return new Promise((resolve) => {
    const stdio = keep === undefined ? 'inherit' : ['ignore', 'pipe', 'pipe'];
    const child = spawn(program, parameters, { cwd: checkout, stdio, env: environment() });
    child.stdout?.on('data', (chunk) => keep.push(String(chunk)));
    child.stderr?.on('data', (chunk) => keep.push(String(chunk)));
    // A terminal sends Ctrl-C to the child as well; only a signal sent to us alone is handed on.
    const handOn = (signal) => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    };
    for (const name of handedOn) process.on(name, handOn);
    // npm that is killed hands nothing on: who was started by it ends as by its signal.
    const watch = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(watch);
      child.kill('SIGTERM');
    }, 1_000);
    watch.unref();
    child.once('error', (error) => {
      console.error(`${program} did not start: ${error.message}`);
      resolve(127);
    });
    child.once('close', (code, signal) => {
      clearInterval(watch);
      for (const name of handedOn) process.off(name, handOn);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

/** Runs npm quietly: a line every 15 seconds, and what it wrote only when it fails. */
async function npm(parameters) {
  const written = [];
  const began = Date.now();
  const report = () =>
    console.error(`npm ${parameters[0]}: ${Math.round((Date.now() - began) / 1000)} s so far …`);
  const timer = setInterval(report, 15_000);
  const program = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const code = await run(program, [...parameters, '--no-audit', '--no-fund'], written);
  clearInterval(timer);
  return { code, text: written.join('') };
}

async function install() {
  if (missingPackages().length === 0) return;
  console.error('Installing the npm packages (npm ci), once per lock file …');
  const began = Date.now();
  // All of them, also where NODE_ENV or npm's own configuration would leave some out: scripts need them.
  const ending = await npm(['ci', '--include=dev', '--include=optional']);
  if (ending.code !== 0) {
    console.error(`${ending.text}\nThe packages could not be installed: the lines above say why.`);
    process.exit(ending.code);
  }
  const missing = missingPackages();
  if (missing.length > 0) {
    console.error(`npm ci has left out ${missing.length} packages, such as ${missing[0]}.`);
    process.exit(1);
  }
  console.error(`Packages installed in ${Math.round((Date.now() - began) / 1000)} s.`);
}

/** What runs here is met directly, whatever proxy the shell names. */
function environment() {
  const { no_proxy: lower = '', NO_PROXY: upper = '' } = process.env;
  const hosts = new Set(
    `${lower},${upper},127.0.0.1,localhost,::1`.split(',').map((h) => h.trim()),
  );
  hosts.delete('');
  const direct = [...hosts].join(',');
  return { ...process.env, no_proxy: direct, NO_PROXY: direct };
}

requireNode();
await install();
const [script, ...parameters] = process.argv.slice(2);
if (script !== undefined) {
  // One Node process instead of tsx and its child: a signal reaches the script itself.
  process.exitCode = await run(process.execPath, ['--import', 'tsx', script, ...parameters]);
}
