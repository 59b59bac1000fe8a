import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';

import { makerAtHand, newKey } from '../../../api/http/authentication';
import { loadConfig } from '../../../api/config';
import { openDependencies, type Dependencies } from '../../../api/dependencies';
import type { Check } from '../../../api/health';
import { scopes } from '../../../api/http/scopes';
import { shopApi } from '../../../api/shop';
import { buildServer } from '../../../api/server';
import { openConnection } from '../../../runtime/mysql/door';
import { type DatabaseUrls, shopDatabases } from '../../../runtime/databases/shop';
import { provision } from '../../../runtime/databases/provision';
import { newSecret } from '../../../testing/stack/profile';
import { deadPort } from '../api/own-api';
import { eventually } from '../../support/eventually';
import { ownMySql, type OwnMySql } from '../../support/own-mysql';

/** A server whose defaults are all others than ours. */
const odd = [
  '--sql-mode=ANSI_QUOTES,PIPES_AS_CONCAT',
  '--default-time-zone=+05:30',
  '--transaction-isolation=SERIALIZABLE',
  '--character-set-server=latin1',
  '--collation-server=latin1_swedish_ci',
  '--completion-type=CHAIN',
  '--password-history=5',
  '--password-reuse-interval=365',
  '--default-password-lifetime=90',
  '--group-concat-max-len=4',
  '--max-sort-length=4',
  '--div-precision-increment=0',
];

/** What only `SET GLOBAL` can change. */
const oddGlobals = `SET GLOBAL foreign_key_checks = 0, GLOBAL unique_checks = 0, GLOBAL lc_messages = 'de_DE'`;

type Config = ReturnType<typeof loadConfig<ReturnType<typeof shopApi.variables.settings>>>;

describe('a MySQL whose defaults are others', () => {
  let mysql: OwnMySql;
  let api: Awaited<ReturnType<typeof buildServer>>;
  let dependencies: Dependencies;
  let authorization: string;
  let config: Config;
  let urls: DatabaseUrls;
  const secrets = new Map<string, string>();
  const secret = (name: string): string => {
    const value = secrets.get(name) ?? newSecret();
    secrets.set(name, value);
    return value;
  };
  const anApi = async (of: Config) => {
    const queue = `odd-${randomBytes(6).toString('hex')}`;
    const own = openDependencies(of, {
      onError: () => undefined,
      checks: shopApi.checks,
      openStores: (open) => shopApi.stores(of, open),
      queueOf: () => queue,
    });
    const logger = pino({ level: 'silent' });
    const { routes } = shopApi;
    const server = await buildServer({ config: of, dependencies: own, logger, routes });
    return { dependencies: own, api: server };
  };

  beforeAll(async () => {
    mysql = await ownMySql(odd);
    const server = await openConnection({ url: mysql.adminUrl });
    await server.query(oddGlobals);
    await server.query(`INSTALL COMPONENT 'file://component_validate_password'`);
    await server.query(`SET GLOBAL validate_password.policy = 'STRONG'`);
    await server.end();
    urls = await provision(mysql.adminUrl, { ...shopDatabases, prefix: '', secret });
    config = loadConfig(shopApi.variables, {
      ...urls,
      API_SECRET: 'a secret that every process of a test shares',
      REDIS_URL: `redis://${deadPort}`, // Starts are accepted without either of them.
      TEMPORAL_ADDRESS: deadPort,
      LOG_LEVEL: 'silent',
      LOOP_DELAY_MAX_MS: '60000',
    });
    ({ api, dependencies } = await anApi(config));
    const place = { realm: 'tenant', tenant: 'acme' } as const;
    const grant = { ...place, owner: 'acme-owner', scopes, createdAt: new Date() };
    const { key, credential } = newKey({
      ...grant,
      maker: makerAtHand(grant.owner),
      expiresAt: null,
    });
    const admin = await openConnection({ url: new URL('/accord', mysql.adminUrl).toString() });
    await admin.query(
      'INSERT INTO api_keys (key_id, tenant, owner, people, secret_sha256, scopes, created_at) VALUES (?)',
      [
        [
          ...[key.keyId, 'acme', key.owner, JSON.stringify(key.people), key.secretSha256],
          ...[JSON.stringify(scopes), key.createdAt],
        ],
      ],
    );
    await admin.end();
    authorization = `Bearer ${credential}`;
  }, 180_000);
  afterAll(async () => {
    await api.api.close();
    await dependencies.close();
    await mysql.stop();
  });

  const start = (key: string, orderId: string, at = api) =>
    at.api.inject({
      method: 'POST',
      url: '/v1/orders',
      headers: { authorization, 'idempotency-key': key },
      payload: {
        orderId,
        customerId: 'C-7',
        lines: [{ sku: 'S-1', quantity: 2, unitPrice: { currency: 'EUR', minorUnits: 625 } }],
        payment: { accountId: 'A-1', amount: { currency: 'EUR', minorUnits: 1250 } },
      },
    });

  it('answers a key that is written as SQL with its own transaction, not with another one', async () => {
    const [first, second] = ['O', 'P'].map((name) => `${name}-${randomBytes(6).toString('hex')}`);
    expect((await start('an-honest-key', first ?? '')).statusCode).toBe(202);
    const admin = await openConnection({ url: mysql.adminUrl });
    await admin.query(`SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'`);
    await admin.end();
    const later = await anApi(config); // Its connections are newer than the change.
    const answer = await start(`'OR(1=1)#`, second ?? '', later.api);
    await later.api.api.close();
    await later.dependencies.close();
    expect({ status: answer.statusCode, gid: answer.json<{ gid?: string }>().gid }).toEqual({
      status: 202,
      gid: `order:acme.${second ?? ''}`,
    });
  });

  it('keeps the time that it was, whatever the server’s time zone is', async () => {
    const id = `O-${randomBytes(6).toString('hex')}`;
    const before = Date.now();
    await start(`time-${id}`, id);
    const run = await dependencies.runs.find('acme', `order:acme.${id}`);
    expect(Math.abs((run?.acceptedAt.getTime() ?? 0) - before)).toBeLessThan(60_000);
    const admin = await openConnection({ url: new URL('/accord', mysql.adminUrl).toString() });
    const [rows] = await admin.query(
      'SELECT MAX(ABS(TIMESTAMPDIFF(SECOND, created_at, UTC_TIMESTAMP()))) < 120 AS isNow FROM outbox',
    );
    await admin.end();
    expect(rows).toEqual([{ isNow: 1 }]);
  });

  it('joins, sorts and divides for a process as any other server does, and checks its keys', async () => {
    const [url = ''] = urls.VERIFY_DATABASE_URLS.split(',');
    const session = await openConnection({ url });
    const texts = `SELECT 'confirm' AS t UNION ALL SELECT 'confirmed' UNION ALL SELECT 'confide'`;
    const [joined] = await session.query(
      `SELECT GROUP_CONCAT(t ORDER BY t) AS ops, CAST(10 / 3 AS CHAR) AS third FROM (${texts}) few`,
    );
    const [sorted] = await session.query(`SELECT t FROM (${texts}) few ORDER BY t`);
    const [checks] = await session.query(
      'SELECT @@foreign_key_checks AS foreignKeys, @@unique_checks AS uniques, @@lc_messages AS words',
    );
    await session.end();
    expect({ joined, sorted, checks }).toEqual({
      joined: [{ ops: 'confide,confirm,confirmed', third: '3.3333' }],
      sorted: [{ t: 'confide' }, { t: 'confirm' }, { t: 'confirmed' }],
      checks: [{ foreignKeys: 1, uniques: 1, words: 'en_US' }],
    });
  });

  it('is provisioned again with its passwords, which it remembers, and with new ones that it finds strong', async () => {
    expect(await provision(mysql.adminUrl, { ...shopDatabases, prefix: '', secret })).toEqual(urls);
    secrets.delete('mysql-watch');
    const { WATCH_DATABASE_URL: renewed } = await provision(mysql.adminUrl, {
      ...shopDatabases,
      ...{ prefix: '', secret, rotates: true },
    });
    expect(renewed).not.toBe(urls.WATCH_DATABASE_URL);
    await (await openConnection({ url: renewed })).end();
  });

  it('is told in /readyz and /healthz by the setting that no session can mend, once somebody changes it', async () => {
    await api.premises.begin(); // Nothing is broken: from here on it looks by itself.
    const admin = await openConnection({ url: mysql.adminUrl });
    await admin.query('SET GLOBAL innodb_flush_log_at_trx_commit = 2');
    await admin.end();
    const ask = (url: string) => api.api.inject({ method: 'GET', url, headers: { authorization } });
    const health = await eventually(
      async () => {
        const answer = (await ask('/healthz')).json<{ status: string; checks: Check[] }>();
        return answer.status === 'unhealthy' && answer;
      },
      { withinMs: 40_000, what: '/healthz to see it' },
    );
    expect(health.checks.find(({ name }) => name === 'premises')?.lastError).toMatch(
      /^MySQL 9\.\d+\.\d+: innodb_flush_log_at_trx_commit is 2, wanted 1\. Set it:/,
    );
    expect((await ask('/readyz')).statusCode).toBe(503);
    await api.premises.stop();
    const later = await anApi(config);
    await expect(later.api.premises.begin()).rejects.toThrow('innodb_flush_log_at_trx_commit is 2');
    await later.api.api.close();
    await later.dependencies.close();
  }, 60_000);
});
