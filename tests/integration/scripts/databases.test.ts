import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { describe, expect, it } from '@jest/globals';

import { createSqlPool } from '../../../activities/fence/sql-transaction';
import { databases, shopDatabases } from '../../../runtime/databases/shop';
import { provision, unprovision } from '../../../runtime/databases/provision';
import { ownDatabases } from '../../support/databases';
import { testStack } from '../../support/stack';
import { openConnection } from '../../../runtime/mysql/door';

const aPrefix = (): string => `t${randomBytes(4).toString('hex')}_`;

/** Another process that provisions: a lock that held within one process alone would pass a weaker test. */
function provisionElsewhere(
  adminUrl: string,
  prefix: string,
  password = 'same',
): Promise<number | null> {
  const script = `require('./runtime/databases/provision').provision(${JSON.stringify(adminUrl)},
    { ...require('./runtime/databases/shop').shopDatabases, prefix: '${prefix}', secret: () => '${password}' })`;
  const child = spawn(process.execPath, ['--require', 'tsx/cjs', '-e', script], {
    stdio: 'ignore',
  });
  return new Promise((resolve) => child.once('exit', resolve));
}

const isOpen = (url: string): Promise<boolean> =>
  openConnection({ url }).then(
    (connection) => connection.end().then(() => true),
    () => false,
  );

const denied: readonly unknown[] = [1142, 1143]; // A table, a column of it.

/** @throws what is wrong with the statement beside the right to it. */
async function isDenied(url: string, sql: string): Promise<boolean> {
  const connection = await openConnection({ url });
  try {
    await connection.query(sql);
    return false;
  } catch (error) {
    if (error instanceof Error && 'errno' in error && denied.includes(error.errno)) return true;
    throw error;
  } finally {
    await connection.end();
  }
}

describe('provisioning', () => {
  it('ends alike when two processes do it at once, and when it is repeated', async () => {
    const { mysql } = await testStack();
    const prefix = aPrefix();
    try {
      const codes = await Promise.all([1, 2].map(() => provisionElsewhere(mysql.adminUrl, prefix)));
      expect(codes).toEqual([0, 0]);
      const urls = await provision(mysql.adminUrl, {
        ...shopDatabases,
        prefix,
        secret: () => 'same',
      });
      const verify = createSqlPool({
        url: urls.VERIFY_DATABASE_URLS.split(',')[0] ?? '',
        connectionLimit: 1,
      });
      const [versions] = await verify.select<{ n: string; newest: string }>(
        'SELECT COUNT(*) AS n, MAX(version) AS newest FROM schemaversion',
      );
      const [epoch] = await verify.select('SELECT id, epoch, region FROM region_epoch');
      const [leases] = await verify.select<{ n: string }>(
        'SELECT COUNT(*) AS n FROM outbox_leases',
      );
      await verify.close();
      expect(Number(versions?.n)).toBe(Number(versions?.newest) + 1); // Version 0 is the empty database.
      expect(epoch).toEqual({ id: 1, epoch: 1, region: 'a' });
      expect(leases?.n).toBe('16');
    } finally {
      await unprovision(mysql.adminUrl, prefix, shopDatabases);
    }
  });

  it('leaves every user the password of the folder that was first, when two with other passwords do it at once', async () => {
    const { mysql } = await testStack();
    const prefix = aPrefix();
    const provisioned = (password: string, rotates = false) =>
      provision(mysql.adminUrl, { ...shopDatabases, prefix, secret: () => password, rotates });
    try {
      const passwords = ['one', 'other'];
      const codes = await Promise.all(
        passwords.map((password) => provisionElsewhere(mysql.adminUrl, prefix, password)),
      );
      expect([...codes].sort()).toEqual([0, 1]);
      const [first = '', second = ''] = codes[0] === 0 ? passwords : passwords.reverse();
      const urls = Object.values(await provisioned(first)).flatMap((each) => each.split(','));
      expect(await Promise.all(urls.map(isOpen))).toEqual(urls.map(() => true));
      await expect(provisioned(second)).rejects.toThrow(
        /These MySQL users have other passwords .*_relay.*Nothing was changed.*--rotate/,
      );
      expect(await Promise.all(urls.map(isOpen))).toEqual(urls.map(() => true));
      const renewed = Object.values(await provisioned(second, true))
        .join(',')
        .split(',');
      expect(await Promise.all(renewed.map(isOpen))).toEqual(renewed.map(() => true));
      expect(await Promise.all(urls.map(isOpen))).toEqual(urls.map(() => false));
    } finally {
      await unprovision(mysql.adminUrl, prefix, shopDatabases);
    }
  }, 60_000);

  it('gives a participant of anybody its fence by one line, its user, and its place beside the others', async () => {
    const { mysql } = await testStack();
    const [prefix, folder] = [aPrefix(), mkdtempSync(join(tmpdir(), 'accord-hotel-'))];
    const migrations = { hotel: folder, carRental: folder };
    writeFileSync(
      join(folder, '001.do.participant.sql'),
      '-- include shared/participant.sql\nCREATE TABLE rooms (id INT PRIMARY KEY) ENGINE=InnoDB;\n',
    );
    const provisioned = () =>
      provision(mysql.adminUrl, { prefix, migrations, secret: () => 'same' });
    try {
      const urls = await provisioned();
      expect(await provisioned()).toEqual(urls);
      expect(Object.keys(urls).sort()).toEqual([
        ...['ACCORD_DATABASE_URL', 'API_BOOKS_DATABASE_URLS', 'API_DATABASE_URL'],
        ...['CAR_RENTAL_DATABASE_URL', 'HOTEL_DATABASE_URL', 'RELAY_DATABASE_URLS'],
        'VERIFY_DATABASE_URLS',
      ]);
      const names = urls.RELAY_DATABASE_URLS.split(',').map((url) => new URL(url).pathname);
      const everywhere = ['hotel', 'carRental', 'accord'].map((name) => `/${prefix}${name}`);
      expect(names).toEqual(everywhere);
      const [relay = '', [books = ''], [verify = '']] = [
        urls.RELAY_DATABASE_URLS.split(',')[0],
        urls.API_BOOKS_DATABASE_URLS.split(','),
        urls.VERIFY_DATABASE_URLS.split(','),
      ];
      const worker = urls.HOTEL_DATABASE_URL;
      const attempts: readonly (readonly [string, string, boolean])[] = [
        [worker, 'INSERT INTO rooms VALUES (1)', true],
        [worker, 'DELETE FROM rooms', true],
        [worker, 'DELETE FROM fence', true],
        [worker, 'UPDATE region_epoch SET epoch = 9', false],
        [worker, 'DELETE FROM outbox', false],
        [worker, `SELECT * FROM \`${prefix}carRental\`.rooms`, false],
        [relay, 'DELETE FROM outbox', true],
        [relay, 'SELECT * FROM rooms', false],
        [books, 'SELECT * FROM rooms', true],
        [books, 'SELECT gid FROM fence', true],
        [books, 'SELECT result FROM fence', false],
        [verify, 'SELECT * FROM rooms', true],
      ];
      for (const [url, sql, allowed] of attempts)
        expect({ sql, isDenied: await isDenied(url, sql) }).toEqual({ sql, isDenied: !allowed });
    } finally {
      await unprovision(mysql.adminUrl, prefix, { migrations });
      rmSync(folder, { recursive: true });
    }
  });

  it('is refused with a participant whose user would be one of the engine', async () => {
    const { mysql } = await testStack();
    const given = { prefix: aPrefix(), migrations: { relay: tmpdir() }, secret: () => 'same' };
    await expect(provision(mysql.adminUrl, given)).rejects.toThrow(
      'Two MySQL users of one name: relay.',
    );
  });

  it('refuses a migration that was edited after it ran', async () => {
    const own = await ownDatabases(['coupons']);
    try {
      const admin = own.pool(own.adminUrl('coupons'));
      await admin.change(`UPDATE schemaversion SET md5 = 'edited' WHERE version = 1`);
      const { mysql } = await testStack();
      const again = provision(mysql.adminUrl, {
        ...shopDatabases,
        ...{ prefix: own.prefix, secret: () => 'same', rotates: true },
        only: ['coupons'],
      });
      await expect(again).rejects.toThrow(
        /^[a-z]+\/001\.do\.[a-z-]+\.sql has run, and was edited since\. Put it back/,
      );
    } finally {
      await own.drop();
    }
  });

  it('names the file of a migration that failed, and what to do next', async () => {
    const { mysql } = await testStack();
    const folder = mkdtempSync(join(tmpdir(), 'accord-migrations-'));
    const given = { prefix: aPrefix(), migrations: { hotel: folder }, secret: () => 'same' };
    try {
      writeFileSync(join(folder, '001.do.rooms.sql'), 'CREATE TABLE rooms (id BIGINTT);');
      await expect(provision(mysql.adminUrl, given)).rejects.toThrow(
        /^hotel\/001\.do\.rooms\.sql has failed: .*BIGINTT.* Mend the file, then migrate again\.$/,
      );
    } finally {
      await unprovision(mysql.adminUrl, given.prefix, given);
      rmSync(folder, { recursive: true });
    }
  });

  it('can run every migration again, as after one that was cut off', async () => {
    const own = await ownDatabases(databases);
    try {
      const { mysql } = await testStack();
      for (const database of databases) {
        const admin = own.pool(own.adminUrl(database), { connectionLimit: 1 });
        await admin.change('DELETE FROM schemaversion WHERE version > 0');
      }
      await provision(mysql.adminUrl, {
        ...shopDatabases,
        ...{ prefix: own.prefix, secret: () => 'same', rotates: true },
      });
      const admin = own.pool(own.adminUrl('accord'));
      expect(await admin.select('SELECT cluster, region, epoch FROM cluster_state')).toEqual([
        { cluster: 'main', region: 'a', epoch: 1 },
      ]);
    } finally {
      await own.drop();
    }
  });

  it('gives each process the least rights that it needs', async () => {
    const own = await ownDatabases(databases);
    try {
      const attempts: readonly (readonly [string, string])[] = [
        [own.urls.ACCOUNTS_DATABASE_URL, 'DELETE FROM ledger_entries'],
        [own.urls.ACCOUNTS_DATABASE_URL, 'UPDATE outbox SET published_at = NULL'],
        [own.urls.ACCORD_DATABASE_URL, `UPDATE cluster_state SET epoch = 9`],
        [own.urls.ACCORD_DATABASE_URL, 'SELECT * FROM api_keys'],
        [own.urls.ACCORD_DATABASE_URL, 'SELECT * FROM approvals'],
        [own.urls.ACCORD_DATABASE_URL, 'DELETE FROM runs'],
        [own.urls.RELAY_DATABASE_URLS.split(',')[0] ?? '', 'SELECT * FROM fence'],
        [own.urls.CONSUMER_DATABASE_URL, 'UPDATE orders SET version = 9'],
        [own.urls.API_DATABASE_URL, 'UPDATE audit SET actor = 1'],
        [own.urls.API_DATABASE_URL, 'UPDATE fence SET epoch = 9'],
        [own.urls.API_DATABASE_URL, 'DELETE FROM audit'],
        [own.urls.API_DATABASE_URL, 'UPDATE cluster_state SET epoch = 9, sequence = 9'],
        [own.urls.API_DATABASE_URL, `UPDATE regions SET status = 'ACTIVE'`],
        [own.urls.API_DATABASE_URL, 'UPDATE cluster_heartbeats SET acknowledged_us = 9'],
        [own.urls.API_DATABASE_URL, `UPDATE approvals SET asked_by = 'another'`],
        [own.urls.API_DATABASE_URL, `UPDATE approvals SET action = '{}', version = 9`],
        [own.urls.API_ORDERS_DATABASE_URL, 'SELECT * FROM orders'],
        [own.urls.VERIFY_DATABASE_URLS.split(',')[1] ?? '', 'UPDATE accounts SET balance = 9'],
      ];
      for (const [url, sql] of attempts) {
        expect({ sql, isDenied: await isDenied(url, sql) }).toEqual({ sql, isDenied: true });
      }
      const relay = await openConnection({
        url: own.urls.RELAY_DATABASE_URLS.split(',')[1] ?? '',
      });
      await relay.query('UPDATE outbox SET published_at = UTC_TIMESTAMP(3) WHERE id = 0');
      await relay.query(
        `UPDATE outbox_leases SET owner = 'r', generation = generation + 1 WHERE partition_no = 3`,
      );
      const [[lease]] = await relay.query<RowDataPacket[]>(
        'SELECT generation FROM outbox_leases WHERE partition_no = 3',
      );
      await relay.end();
      expect(lease).toMatchObject({ generation: 1 });
    } finally {
      await own.drop();
    }
  });
});
