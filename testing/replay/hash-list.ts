import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Beside the folder of recordings: `<SHA-256>  <file>`, a line each, as `sha256sum --check` reads it. */
export const hashListOf = (folder: string): string =>
  `${folder.replace(/(?<=[^/])\/+$/, '')}.sha256`;

export const isListed = (folder: string, file: string): boolean =>
  linesOf(hashListOf(folder)).some(([, listed]) => listed === file);

/** Enters a recording that was just made; what stands in the list is never changed. */
export function enterHash(folder: string, file: string): void {
  appendFileSync(hashListOf(folder), `${hashOf(join(folder, file))}  ${basename(file)}\n`);
}

/** @returns a sentence for each recording that is not as it was made; none: all is well. */
export function whatWasTouched(folder: string): readonly string[] {
  const listed = new Map(linesOf(hashListOf(folder)).map(([hash, file]) => [file, hash]));
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  return [
    ...files.flatMap((file) => {
      const hash = listed.get(file);
      if (hash === undefined) return [`${file} was not made by record-history.`];
      if (hash !== hashOf(join(folder, file))) return [`${file} was edited after it was recorded.`];
      return [];
    }),
    ...[...listed.keys()]
      .filter((file) => !files.includes(file))
      .map((file) => `${file} was recorded, and is gone.`),
  ].sort();
}

const hashOf = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex');

function linesOf(list: string): readonly (readonly [hash: string, file: string])[] {
  if (!existsSync(list)) return [];
  return readFileSync(list, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => [line.slice(0, 64), line.slice(66)] as const);
}
