import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { eventually } from '../../support/eventually';

const bootstrap = join(__dirname, '..', '..', '..', 'scripts', 'bootstrap.mjs');

describe('the bootstrap', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'accord-bootstrap-'));
    write('package-lock.json', {
      packages: {
        '': {},
        'node_modules/tool': { version: '1.2.3', dev: true },
        'node_modules/binary': { version: '1.0.0', optional: true },
      },
    });
    mkdirSync(join(folder, 'scripts'));
    copyFileSync(bootstrap, join(folder, 'scripts', 'bootstrap.mjs'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const write = (file: string, content: object): void => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), JSON.stringify(content));
  };
  const layDown = (version: string): void => {
    write('node_modules/.package-lock.json', {
      packages: { 'node_modules/tool': { version } },
    });
    write('node_modules/tool/package.json', { version });
  };
  /** With an npm that says what it was told, and installs nothing. */
  const run = (...parameters: readonly string[]) => {
    writeFileSync(join(folder, 'npm'), '#!/bin/sh\necho "$@" >> told\n', { mode: 0o755 });
    const env = {
      PATH: `${folder}:/usr/bin:/bin`,
      NODE_ENV: 'production',
      no_proxy: 'example.com',
    };
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      [join(folder, 'scripts', 'bootstrap.mjs'), ...parameters],
      { env, encoding: 'utf8' },
    );
    return { status, stderr, stdout };
  };
  const told = (): string => readFileSync(join(folder, 'told'), 'utf8');

  it('installs packages of development, too, where NODE_ENV would leave them out', () => {
    run();
    expect(told()).toMatch(/^ci --include=dev --include=optional /);
  });

  it('does not believe npm that all is there: it looks, and names what is missing', () => {
    const { status, stderr } = run();
    expect(stderr).toContain('npm ci has left out 1 packages, such as tool.');
    expect(status).toBe(1);
  });

  it.each([
    ['of another version', () => layDown('1.2.2')],
    [
      'whose folder was removed',
      () => {
        layDown('1.2.3');
        rmSync(join(folder, 'node_modules', 'tool'), { recursive: true });
      },
    ],
    [
      'recorded in half a file',
      () => {
        layDown('1.2.3');
        writeFileSync(join(folder, 'node_modules', '.package-lock.json'), '{"packages":');
      },
    ],
  ])('installs again over a package %s', (_, arrange) => {
    arrange();
    run();
    expect(told()).toMatch(/^ci /);
  });

  it('asks npm for nothing where all is there, and meets this machine without a proxy', () => {
    layDown('1.2.3');
    mkdirSync(join(folder, 'node_modules', 'tsx'));
    writeFileSync(join(folder, 'node_modules', 'tsx', 'index.js'), '');
    writeFileSync(join(folder, 'show.mjs'), 'console.log(process.env.no_proxy);');
    const { stdout } = run('show.mjs');
    expect(stdout).toBe('example.com,127.0.0.1,localhost,::1\n');
    expect(told).toThrow('ENOENT');
  });

  it('ends what it runs when whoever started it was killed', async () => {
    layDown('1.2.3');
    mkdirSync(join(folder, 'node_modules', 'tsx'));
    writeFileSync(join(folder, 'node_modules', 'tsx', 'index.js'), '');
    writeFileSync(
      join(folder, 'stay.mjs'),
      `import { writeFileSync } from 'node:fs';
       process.once('SIGTERM', () => { writeFileSync('ended', ''); process.exit(); });
       setInterval(() => {}, 1_000);
       writeFileSync('begun', '');`,
    );
    const file = join(folder, 'scripts', 'bootstrap.mjs');
    const starter = spawn('/bin/sh', ['-c', `"${process.execPath}" "${file}" stay.mjs; :`], {
      stdio: 'ignore',
    });
    await eventually(() => existsSync(join(folder, 'begun')), { withinMs: 20_000 });
    starter.kill('SIGKILL');
    const isEnded = () => existsSync(join(folder, 'ended'));
    await expect(eventually(isEnded, { withinMs: 20_000 })).resolves.toBe(true);
  }, 45_000);
});
