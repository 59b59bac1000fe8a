import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';

import { makerAtHand, newKey } from '../../../api/authentication';
import { loadConfig, type Config } from '../../../api/config';
import { openDependencies } from '../../../api/dependencies';
import { scopes } from '../../../api/scopes';
import { buildServer } from '../../../api/server';
import { brokenPremisesOf, openConnection } from '../../../processes/mysql/door';
import { provision } from '../../../scripts/databases';
import { deadPort } from '../api/own-api';
import { ownMySql, type OwnMySql } from '../../support/own-mysql';

/** A server whose defaults are all others than ours. */
const odd = [
  '--sql-mode=ANSI_QUOTES,PIPES_AS_CONCAT',
  '--default-time-zone=+05:30',
  '--transaction-isolation=SERIALIZABLE',
  '--character-set-server=latin1',
  '--collation-server=latin1_swedish_ci',
  '--completion-type=CHAIN',
];

describe('a MySQL whose defaults are others', () => {
  let mysql: OwnMySql;
  let api: Awaited<ReturnType<typeof buildServer>>;
  let dependencies: ReturnType<typeof openDependencies>;
  let authorization: string;
  let config: Config;
  const anApi = async (of: Config) => {
    const queue = `odd-${randomBytes(6).toString('hex')}`;
    const own = openDependencies(
      of,
      () => undefined,
      () => queue,
    );
    const logger = pino({ level: 'silent' });
    return { dependencies: own, api: await buildServer({ config: of, dependencies: own, logger }) };
  };

  beforeAll(async () => {
    mysql = await ownMySql(odd);
    const secret = () => `${randomBytes(12).toString('hex')}-Aa1`;
    const urls = await provision(mysql.adminUrl, { prefix: '', secret });
    config = loadConfig({
      ...urls,
      API_SECRET: 'a secret that every process of a test shares',
      REDIS_URL: `redis://${deadPort}`, // Starts are accepted without either of them.
      TEMPORAL_ADDRESS: deadPort,
      LOG_LEVEL: 'silent',
      LOOP_DELAY_MAX_MS: '60000',
    });
    ({ api, dependencies } = await anApi(config));
    const grant = { tenant: 'acme', owner: 'acme-owner', scopes, createdAt: new Date() };
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

  it('is told in /readyz by the setting that no session can mend, once somebody changes it', async () => {
    const admin = await openConnection({ url: mysql.adminUrl });
    expect(await brokenPremisesOf(admin)).toEqual([]);
    await expect(dependencies.premises[0]?.ask()).resolves.toEqual([]);
    await admin.query('SET GLOBAL innodb_flush_log_at_trx_commit = 2');
    await admin.end();
    await expect(api.premises.begin()).rejects.toThrow(
      /^MySQL 9\.\d+\.\d+: innodb_flush_log_at_trx_commit is 2, wanted 1\. Set it:/,
    );
    const answer = await api.api.inject({ method: 'GET', url: '/readyz' });
    expect(answer.statusCode).toBe(503);
  });
});
