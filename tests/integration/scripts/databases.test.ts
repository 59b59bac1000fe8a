import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { describe, expect, it } from '@jest/globals';

import { createSqlPool } from '../../../activities/fence/sql-transaction';
import { migrateDatabase } from '../../../runtime/databases/migration';
import { databases } from '../../../runtime/databases/names';
import { provision, unprovision } from '../../../runtime/databases/provision';
import { ownDatabases } from '../../support/databases';
import { testStack } from '../../support/stack';
import { openConnection } from '../../../runtime/mysql/door';

const aPrefix = (): string => `t${randomBytes(4).toString('hex')}_`;

/** Another process that provisions: a lock that held within one process alone would pass a weaker test. */
function provisionElsewhere(adminUrl: string, prefix: string): Promise<number | null> {
  const script = `require('./runtime/databases/provision').provision(${JSON.stringify(adminUrl)},
    { prefix: '${prefix}', secret: () => 'same' })`;
  const child = spawn(process.execPath, ['--require', 'tsx/cjs', '-e', script], {
    stdio: 'ignore',
  });
  return new Promise((resolve) => child.once('exit', resolve));
}

describe('provisioning', () => {
  it('ends alike when two processes do it at once, and when it is repeated', async () => {
    const { mysql } = await testStack();
    const prefix = aPrefix();
    try {
      const codes = await Promise.all([1, 2].map(() => provisionElsewhere(mysql.adminUrl, prefix)));
      expect(codes).toEqual([0, 0]);
      const urls = await provision(mysql.adminUrl, { prefix, secret: () => 'same' });
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
      await unprovision(mysql.adminUrl, prefix);
    }
  });

  it('gives a new participant its fence, outbox and mark by one line', async () => {
    const { mysql } = await testStack();
    const [prefix, folder] = [aPrefix(), mkdtempSync(join(tmpdir(), 'accord-hotel-'))];
    const admin = await openConnection({ url: mysql.adminUrl });
    try {
      cpSync('scripts/migrations/shared', join(folder, 'shared'), { recursive: true });
      mkdirSync(join(folder, 'hotel'));
      const line = '-- include shared/participant.sql\n';
      writeFileSync(join(folder, 'hotel/001.do.participant.sql'), line);
      const migrated = await migrateDatabase(mysql.adminUrl, 'hotel', prefix, folder);
      expect(migrated).toEqual(['hotel/1 participant']);
      const [tables] = await admin.query<RowDataPacket[]>(
        `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = ? ORDER BY table_name`,
        [`${prefix}hotel`],
      );
      expect(tables.map((table) => String(table['name']))).toEqual([
        ...['fence', 'installation', 'outbox', 'outbox_leases', 'region_epoch', 'schemaversion'],
      ]);
      expect(await migrateDatabase(mysql.adminUrl, 'hotel', prefix, folder)).toEqual([]);
    } finally {
      await admin.query(`DROP DATABASE IF EXISTS \`${prefix}hotel\``);
      await admin.end();
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses a migration that was edited after it ran', async () => {
    const own = await ownDatabases(['coupons']);
    try {
      const admin = own.pool(own.adminUrl('coupons'));
      await admin.change(`UPDATE schemaversion SET md5 = 'edited' WHERE version = 1`);
      const { mysql } = await testStack();
      const again = provision(mysql.adminUrl, {
        prefix: own.prefix,
        only: ['coupons'],
        secret: () => 'same',
      });
      await expect(again).rejects.toThrow('MD5 checksum failed for migration [1]');
    } finally {
      await own.drop();
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
      await provision(mysql.adminUrl, { prefix: own.prefix, secret: () => 'same' });
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
      const denied: readonly unknown[] = [1142, 1143]; // A table, a column of it.
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
        const connection = await openConnection({ url: url });
        const errno = await connection.query(sql).then(
          () => 0,
          (error: unknown) => (error instanceof Error && 'errno' in error ? error.errno : -1),
        );
        await connection.end();
        expect({ sql, isDenied: denied.includes(errno) }).toEqual({ sql, isDenied: true });
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
