/** Servers that are none that Accord may use: real ones, of which only the name is another. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';

import { openSessions, openConnection } from '../../../runtime/mysql/door';
import { administration } from '../../../runtime/mysql/session';
import { guardRedis } from '../../../runtime/redis-premises';
import { provision } from '../../../runtime/databases/provision';
import { shopDatabases } from '../../../runtime/databases/shop';
import { pretending, type Pretender } from '../../support/pretending';
import { testStack } from '../../support/stack';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function pretender(url: string, said: string, instead: string): Promise<Pretender> {
  const one = await pretending(url, said, instead);
  opened.push(() => one.close());
  return one;
}

/** What the test server calls itself. */
async function mysqlSays(what: 'VERSION()' | '@@version_comment'): Promise<string> {
  const { mysql } = await testStack();
  const connection = await openConnection({ url: mysql.adminUrl });
  const [rows] = await connection.query(`SELECT ${what} AS said`);
  await connection.end();
  return (rows as { said: string }[])[0]?.said ?? '';
}

/** Also longer names in as many bytes. */
const asLong = (text: string, instead: string): string =>
  instead.padEnd(text.length).slice(0, text.length);

function poolOf(url: string) {
  const pool = openSessions({
    ...{ url, connectMs: 10_000, connectionLimit: 1, keep: 0 },
    session: administration,
  });
  opened.push(() => pool.close());
  return pool;
}

describe('a MySQL that is too old', () => {
  it('is refused by product, version and setting, and nothing is made on it', async () => {
    const { mysql } = await testStack();
    const version = await mysqlSays('VERSION()');
    const { url } = await pretender(mysql.adminUrl, version, asLong(version, '8.3.9'));
    await expect(poolOf(url).brokenPremises()).resolves.toMatchObject([
      { product: 'MySQL', version: '8.3.9', setting: 'version', isRequired: true },
    ]);
    const provisioning = provision(url, {
      ...shopDatabases,
      prefix: 'too_old_',
      secret: () => 'never',
    });
    await expect(provisioning).rejects.toThrow(
      'MySQL 8.3.9: version is 8.3.9, wanted MySQL 8.4 or later. Upgrade it, or use another server.',
    );
    const connection = await openConnection({ url: mysql.adminUrl });
    const [made] = await connection.query(`SHOW DATABASES LIKE 'too\\_old\\_%'`);
    await connection.end();
    expect(made).toEqual([]);
  });
});

describe('another product that speaks the protocol of MySQL', () => {
  it.each(['MariaDB', 'TiDB'])('is refused by its name: %s', async (product) => {
    const { mysql } = await testStack();
    const comment = await mysqlSays('@@version_comment');
    const { url } = await pretender(mysql.adminUrl, comment, asLong(comment, product));
    await expect(poolOf(url).brokenPremises()).resolves.toMatchObject([
      { product, setting: 'version', found: product, wanted: 'MySQL 8.4 or later' },
    ]);
  });
});

describe('a Redis that is too old', () => {
  it('is left alone, by product, version and setting', async () => {
    const { redis } = await testStack();
    const asked = new Redis(redis.url);
    const version = /^redis_version:(\S+)/m.exec(await asked.info('server'))?.[1] ?? '';
    asked.disconnect();
    const { url } = await pretender(
      redis.url,
      `redis_version:${version}`,
      `redis_version:${asLong(version, '6.2.7')}`,
    );
    const client = new Redis(url);
    opened.push(() => client.disconnect());
    const guarded = guardRedis(client);
    await expect(guarded.premises.ask()).resolves.toMatchObject([
      { product: 'Redis', version: '6.2.7', setting: 'version', wanted: '7.0 or later' },
    ]);
    await expect(guarded.commands.eval('return 1', 0)).rejects.toThrow('premises');
  });
});
