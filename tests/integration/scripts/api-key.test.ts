import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { ownDatabases, type OwnDatabases } from '../../support/databases';

describe('keys that are made at a command line', () => {
  let databases: OwnDatabases;
  beforeAll(async () => {
    databases = await ownDatabases(['accord']);
  });
  afterAll(() => databases.drop());

  /** @returns what it said, and how it ended. */
  async function create(...more: string[]): Promise<{ code: number; said: string }> {
    const script = ['--require', 'tsx/cjs', 'scripts/api-key.ts', 'create', '--by', 'alice'];
    const env = { API_DATABASE_URL: databases.urls.API_DATABASE_URL };
    const asked = [...script, '--owner', 'alice', ...more];
    try {
      const { stderr } = await promisify(execFile)(process.execPath, asked, { env });
      return { code: 0, said: stderr.trim() };
    } catch (error) {
      const { code, stderr } = error as { code: number; stderr: string };
      return { code, said: stderr.trim() };
    }
  }

  it.each([
    [['--tenant', 'acme', '--scopes', 'ops'], /^Key \w+ of alice for the tenant acme, made by/],
    [['--cluster', 'main', '--scopes', 'ops'], /^Key \w+ of alice for the cluster main, made by/],
  ])('are of a tenant or of a cluster: %s', async (more, said) => {
    expect(await create(...more)).toEqual({ code: 0, said: expect.stringMatching(said) });
  });

  it.each([
    [
      ['--tenant', 'main', '--scopes', 'ops'],
      'main is a cluster, and no tenant may have its name.',
    ],
    [
      ['--cluster', 'acme', '--scopes', 'ops'],
      'There is no cluster acme: the database knows main.',
    ],
    [['--scopes', 'ops'], 'A key belongs to a tenant or to a cluster: use --tenant or --cluster.'],
    [
      ['--tenant', 'acme', '--cluster', 'main', '--scopes', 'ops'],
      'A key belongs to a tenant or to a cluster: use --tenant or --cluster.',
    ],
    [['--tenant', 'acme', '--scopes', 'ops:failover'], 'ops:failover is of no key of a tenant.'],
    [
      ['--cluster', 'main', '--scopes', 'tx:start,payments:review'],
      'tx:start, payments:review are of no key of a cluster.',
    ],
  ])('are refused in one sentence: %s', async (more, said) => {
    expect(await create(...more)).toEqual({ code: 2, said });
  });
});
