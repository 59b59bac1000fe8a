import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { makerAtHand, newKey } from '../../../api/http/authentication';
import { scopes } from '../../../api/http/scopes';
import { openConnection } from '../../../runtime/mysql/door';
import { eventually } from '../../support/eventually';
import {
  openNamespace,
  type OwnNamespace,
} from '../../../testing/environment/isolated-environment';
import { ownDatabases, type OwnDatabases } from '../../support/databases';
import { testStack } from '../../support/stack';
import { aReference } from './own-api';

/** The process is compiled as it starts. */
const slowly = { withinMs: 90_000, what: 'the API' };

/** The process has the variables of Accord alone: none of the shop's databases, accounts or rules. */
describe('an API of an own application', () => {
  const folder = mkdtempSync(join(tmpdir(), 'accord-own-api-'));
  let databases: OwnDatabases;
  let namespace: OwnNamespace;
  let process_: ChildProcess;
  let url: string;
  let authorization: string;
  let output = '';

  beforeAll(async () => {
    const { redis, temporal } = await testStack();
    databases = await ownDatabases(['accord']);
    namespace = await openNamespace(temporal.address, `own-api-${databases.prefix.slice(0, -1)}`);
    authorization = await aCredential(databases.adminUrl('accord'));
    const readyFile = join(folder, 'ready');
    process_ = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'trip-api.ts')], {
      env: {
        ...{ READY_FILE: readyFile, API_PORT: '0' },
        API_DATABASE_URL: databases.urls.API_DATABASE_URL,
        API_BOOKS_DATABASE_URLS: databases.urls.API_BOOKS_DATABASE_URLS,
        API_SECRET: 'a secret that this process has alone, long enough',
        REDIS_URL: `${redis.url}?keyPrefix=${databases.prefix}`,
        TEMPORAL_ADDRESS: temporal.address,
        TEMPORAL_NAMESPACE: namespace.name,
        SHUTDOWN_GRACE_MS: '0',
      },
    });
    for (const stream of [process_.stdout, process_.stderr])
      stream?.on('data', (some: Buffer) => (output += some.toString()));
    const port = await eventually(() => {
      if (process_.exitCode !== null) throw new Error(`It has ended: ${output}`);
      return JSON.parse(readFileSync(readyFile, 'utf8')) as { readonly port: number };
    }, slowly);
    url = `http://127.0.0.1:${port.port}`;
  }, 120_000);
  afterAll(async () => {
    process_.kill('SIGTERM');
    if (process_.exitCode === null) await once(process_, 'exit');
    rmSync(folder, { recursive: true });
    await namespace.drop();
    await databases.drop();
  });

  const ask = async (
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body?: string,
  ) => {
    const answer = await fetch(`${url}${path}`, {
      headers: { authorization, ...headers },
      ...(body !== undefined && { method: 'POST', body }),
    });
    return {
      status: answer.status,
      headers: answer.headers,
      body: (await answer.json()) as object,
    };
  };
  const post = (path: string, key: string, body: object) =>
    ask(path, { 'content-type': 'application/json', 'idempotency-key': key }, JSON.stringify(body));
  const aTrip = (more: object = {}) => ({ hotelId: 'H-1', nights: 2, ...more });

  it('accepts a start once, under the gid of its flow, and answers its key again', async () => {
    const tripId = aReference();
    const gid = `trip:acme.${tripId}`;
    const first = await post('/v1/trips', tripId, aTrip({ tripId, deadlineMs: 60_000 }));
    expect(first).toMatchObject({ status: 202, body: { gid, flow: 'trip' } });
    expect(first.headers.get('location')).toBe(`/v1/transactions/${gid}`);
    const again = await post('/v1/trips', tripId, aTrip({ tripId, deadlineMs: 60_000 }));
    expect(again).toMatchObject({ status: 202, body: { gid } });
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    const other = await post('/v1/trips', tripId, aTrip({ tripId, nights: 3, deadlineMs: 60_000 }));
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused', gid } });
    expect(await ask(`/v1/transactions/${gid}`)).toMatchObject({ status: 200, body: { gid } });
  });

  it('hands on what the flow says of the body, under the tenant of the caller', async () => {
    const tripId = aReference();
    await post('/v1/trips', tripId, aTrip({ tripId }));
    const admin = await openConnection({ url: databases.adminUrl('accord') });
    const [rows] = await admin.query('SELECT input FROM runs WHERE reference = ?', [tripId]);
    await admin.end();
    const [{ input }] = rows as [{ readonly input: Buffer }];
    expect(JSON.parse(input.toString())).toEqual({
      ...{ gid: `trip:acme.${tripId}`, tenant: 'acme', flow: 'trip' },
      ...{ hotelId: 'acme.H-1', nights: 2 },
      ...{ deadlineAt: expect.any(Number), undoBudgetMs: 60_000 },
    });
  });

  it.each([
    [{ nights: 0 }, 400, '/nights'],
    [{ hotelId: null }, 400, '/hotelId'],
    [{ floor: 3 }, 400, '/floor'],
    [{ guests: 3, nights: 8 }, 422, '/guests'],
    [{ deadlineMs: 5 }, 422, '/deadlineMs'],
  ])('names the field of a body that it cannot take: %j', async (more, status, pointer) => {
    const tripId = aReference();
    const answer = await post('/v1/trips', tripId, aTrip({ tripId, ...more }));
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ errors: [{ pointer }] });
  });

  it('shows the plan of a start that is not made', async () => {
    const tripId = aReference();
    const answer = await post('/v1/trips?dryRun=true', tripId, aTrip({ tripId }));
    expect(answer).toMatchObject({
      status: 200,
      body: {
        gid: `trip:acme.${tripId}`,
        undoOrder: ['releaseRoom'],
        steps: expect.arrayContaining([expect.objectContaining({ name: 'room' })]),
      },
    });
    const gone = await ask(`/v1/transactions/trip:acme.${tripId}`);
    expect(gone.status).toBe(404);
  });

  it.each([
    '/v1/transactions?flow=trip',
    '/v1/approvals',
    '/v1/audit',
    '/v1/invariants',
    '/v1/api-keys',
    '/livez',
  ])('serves what every application has: %s', async (path) => {
    expect((await ask(path)).status).toBe(200);
  });

  it('describes its own routes, and none of the shop’s', async () => {
    const { body } = await ask('/openapi.json');
    const { paths, components } = body as {
      readonly paths: Readonly<Record<string, object>>;
      readonly components: { readonly schemas: Readonly<Record<string, object>> };
    };
    expect(Object.keys(paths)).toContain('/v1/trips');
    expect(
      Object.keys(paths).filter((path) => /orders|accounts|stock|payments/.test(path)),
    ).toEqual([]);
    expect(components.schemas['NewTripInput']).toMatchObject({
      properties: { nights: { maximum: 30 }, deadlineMs: { default: 120_000 } },
    });
  });
});

async function aCredential(adminUrl: string): Promise<string> {
  const createdAt = new Date();
  const { key, credential } = newKey({
    ...{ realm: 'tenant', tenant: 'acme', owner: 'acme-owner', scopes, createdAt },
    ...{ expiresAt: null, maker: makerAtHand('acme-owner') },
  });
  const admin = await openConnection({ url: adminUrl });
  await admin.query(
    'INSERT INTO api_keys (key_id, realm, tenant, owner, people, secret_sha256, scopes, created_at) VALUES (?)',
    [
      [
        ...[key.keyId, 'tenant', 'acme', key.owner, JSON.stringify(key.people)],
        ...[key.secretSha256, JSON.stringify(scopes), createdAt],
      ],
    ],
  );
  await admin.end();
  return `Bearer ${credential}`;
}
