import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const checkout = join(__dirname, '..', '..', '..');

describe('a checkout by a Git that turns LF into CR LF', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'accord-line-ends-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('has LF all the same: hashes of migrations and recordings hold, and shell scripts run', () => {
    const files = [
      '.gitattributes',
      '.ci/run',
      '.ci/long',
      '.env.example',
      'package-lock.json',
      'tests/replay/histories.sha256',
      'scripts/migrations/accord/001.do.fence.sql',
      'scripts/bootstrap.mjs',
      'contracts/engine/ids.ts',
    ];
    const from = join(folder, 'from');
    const into = join(folder, 'into');
    for (const file of files) {
      mkdirSync(dirname(join(from, file)), { recursive: true });
      copyFileSync(join(checkout, file), join(from, file));
    }
    const git = (...parameters: string[]): void =>
      void execFileSync('git', parameters, { cwd: from, stdio: 'ignore' });
    git('init');
    git('add', '.');
    git('-c', 'user.name=test', '-c', 'user.email=test@test', 'commit', '--message', 'files');
    git('-c', 'core.autocrlf=true', 'clone', '--config', 'core.autocrlf=true', from, into);
    for (const file of files) expect(readFileSync(join(into, file), 'utf8')).not.toContain('\r');
  });
});
