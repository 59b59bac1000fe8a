import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { tableOf } from '../../../scripts/report';

/** Without what a terminal does not show. */
const shown = stripVTControlCharacters;

const id = '01M8PN20VR87XHZPW44YW39TJ9';
const sentence = 'Somebody has to look at what this run has left in the books of its participants.';

describe('a table of a report', () => {
  it('fits 80 columns, and breaks sentences before it breaks an id', () => {
    const text = shown(tableOf(['key', 'what', 'n'], [[id, `${sentence} ${sentence}`, 7]]));
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(text).toContain(`${id}  `);
  });

  it('cuts nothing, also of a word that is longer than a line', () => {
    const word = 'x'.repeat(100);
    const text = shown(tableOf(['key', 'what'], [[word, sentence]]));
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(text.match(/x/g)).toHaveLength(100);
  });
});

describe('a report', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'accord-report-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** A command with that verdict. @param redirected what the shell does with what it writes. */
  function command(
    json: string | true | undefined,
    { ok = true, redirected = '', ends = 'process.exit()' } = {},
  ) {
    const module = join(__dirname, '..', '..', '..', 'scripts', 'report.ts');
    const script = join(folder, 'command.cjs');
    writeFileSync(
      script,
      `const { conclude, print, reportTo } = require(${JSON.stringify(module)});
      const { rmSync } = require('node:fs');
      async function run(json) {
        reportTo(json);
        print('It began.');
        rmSync(${JSON.stringify(join(folder, 'lost'))}, { recursive: true, force: true });
        conclude(json, { n: 1 }, { ok: ${ok}, sentence: 'It is over.' });
        ${ok ? '' : 'process.exitCode = 1;'}
      }
      run(${JSON.stringify(json)}).then(() => ${ends});`,
    );
    const { status, stdout, stderr } = spawnSync(
      'bash',
      ['-c', `"$0" --import tsx "$1" ${redirected}`, process.execPath, script],
      { encoding: 'utf8' },
    );
    return { status, stdout, stderr };
  }

  it('is written to its file, and nothing is left of the try', () => {
    const file = join(folder, 'report.json');
    expect(command(file)).toEqual({ status: 0, stdout: 'It began.\nIt is over.\n', stderr: '' });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ n: 1 });
  });

  it('is refused at once, with 2, where its file cannot be written', () => {
    const file = join(folder, 'missing', 'report.json');
    const { status, stdout, stderr } = command(file);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/report\.json cannot be written: ENOENT[^\n]*\n$/);
  });

  it.each([
    { ok: true, status: 2 },
    { ok: false, status: 1 },
  ])('tells its verdict also where the file is lost meanwhile: ok $ok', ({ ok, status }) => {
    mkdirSync(join(folder, 'lost'));
    const file = join(folder, 'lost', 'report.json');
    const ended = command(file, { ok });
    expect(ended).toMatchObject({ status, stdout: 'It began.\nIt is over.\n' });
    expect(ended.stderr).toMatch(/^[^\n]*report\.json cannot be written: ENOENT[^\n]*\n$/);
    expect(existsSync(file)).toBe(false);
  });

  it.each(['process.exit()', 'undefined'])(
    'that finds its disk full says so, and is no success: %s',
    (ends) => {
      const { status, stderr } = command(undefined, { redirected: '> /dev/full', ends });
      expect(status).toBe(2);
      expect(stderr).toMatch(/^Standard output cannot be written: ENOSPC[^\n]*\n/);
      expect(stderr).not.toContain('    at ');
    },
  );

  it('ends quietly where nobody reads it any more', () => {
    const ends = 'setInterval(() => process.stdout.write("more\\n"), 10)';
    const redirected = '| head -1; exit ${PIPESTATUS[0]}';
    const ended = command(undefined, { redirected, ends });
    expect(ended).toEqual({ status: 143, stdout: 'It began.\n', stderr: '' });
  });
});
