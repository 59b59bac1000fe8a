/** The addresses that a project of its own takes from a profile of this checkout. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { checkout, environmentWith } from '../../../testing/stack/config';
import { testStack } from '../../support/stack';

const withinMs = 120_000;

const envIn = (cwd: string) =>
  promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', 'testing/stack/cli.ts', 'env', '--profile', 'test'],
    { cwd, env: environmentWith({}) },
  ).then(
    ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
    (error: unknown) => error as { code: number; stdout: string; stderr: string },
  );

/** What the command needs of a checkout. */
const sources = [
  ...['activities', 'api', 'contracts', 'invariants', 'package', 'runtime', 'scripts'],
  ...['testing', 'workers', 'workflows', 'package.json', 'tsconfig.json'],
];

describe('the addresses of a stack', () => {
  let another: string;
  beforeAll(() => {
    another = mkdtempSync(join(tmpdir(), 'accord-checkout-'));
    for (const name of sources)
      cpSync(join(checkout, name), join(another, name), { recursive: true });
    symlinkSync(join(checkout, 'node_modules'), join(another, 'node_modules'));
  });
  afterAll(() => rmSync(another, { recursive: true, force: true }));

  it(
    'are lines of an environment, with the password of each server',
    async () => {
      const { temporal, mysql, redis, kafka } = await testStack();
      const { code, stdout } = await envIn(checkout);
      expect(code).toBe(0);
      expect(stdout.trimEnd().split('\n')).toEqual([
        `TEMPORAL_ADDRESS=${temporal.address}`,
        `TEMPORAL_NAMESPACE=${temporal.namespace}`,
        `MYSQL_URL=${mysql.adminUrl}`,
        `REDIS_URL=${redis.url}`,
        `KAFKA_BROKERS=${kafka.brokers.join(',')}`,
      ]);
    },
    withinMs,
  );

  it(
    'are refused in one sentence by a checkout whose servers were never up',
    async () => {
      expect(await envIn(another)).toMatchObject({
        ...{ code: 2, stdout: '' },
        stderr: 'Bring the servers up first: stack up --profile test.\n',
      });
    },
    withinMs,
  );
});
