/** A project outside of this checkout, which has nothing of Accord but the packed package. */
import { cpSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

import { runCommand } from '../stack/command';
import { checkout } from '../stack/config';

const packWithinMs = 300_000;
const installWithinMs = 300_000;
const compileWithinMs = 120_000;

/** What a checkout of the project may hold beside its sources. */
const made = new Set(['node_modules', 'dist', 'package-lock.json']);

/**
 * Packs Accord, copies a project of `examples/` into an empty folder, installs its packages there and compiles it.
 *
 * @throws with the last lines of the program that failed.
 */
export async function installExample(name: string, folder: string): Promise<void> {
  const source = join(checkout, 'examples', name);
  for (const file of readdirSync(source).filter((each) => !made.has(each)))
    cpSync(join(source, file), join(folder, file), { recursive: true });
  await runCommand('npm', ['pack', '--silent', '--pack-destination', folder], {
    ...{ cwd: checkout, timeoutMs: packWithinMs },
  });
  const packed = readdirSync(folder).find((file) => /^accord-.*\.tgz$/.test(file));
  if (packed === undefined) throw new Error('npm pack has left no package.');
  renameSync(join(folder, packed), join(folder, 'accord.tgz')); // As the project's package.json names it.
  await runCommand('npm', ['install', '--no-audit', '--no-fund'], {
    ...{ cwd: folder, timeoutMs: installWithinMs },
  });
  await runCommand('npm', ['run', 'build'], { cwd: folder, timeoutMs: compileWithinMs });
}

/** Lines of the project's TypeScript and SQL: all that its authors have written. */
export function linesOf(name: string): number {
  const source = join(checkout, 'examples', name);
  return readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|sql)$/.test(file) && !/(^|\/)(node_modules|dist)\//.test(file))
    .map((file) => readFileSync(join(source, file), 'utf8').split('\n').length - 1)
    .reduce((sum, lines) => sum + lines, 0);
}
