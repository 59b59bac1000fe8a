import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { inSqlTransaction, type SqlPool } from '../../../activities/fence/sql-transaction';
import { checkHistory } from '../../../testing/chaos/checkers';
import {
  installTriggerLog,
  readFacts,
  readTransitions,
  type AdminSql,
} from '../../../testing/chaos/trigger-log';
import { databases, type Database } from '../../../runtime/databases/shop';
import { ownDatabases, type OwnDatabases } from '../../support/databases';
import { bytesAsText, openConnection } from '../../../runtime/mysql/door';

describe('the log of triggers', () => {
  let own: OwnDatabases;
  const admins = new Map<Database, Promise<Connection>>();
  /** Pool of the workers, with their rights of production. They have no right to the tables of the log. */
  let accounts: SqlPool;
  let orders: SqlPool;
  let accord: SqlPool;

  const admin: AdminSql = async (database, statement, values = []) => {
    const open =
      admins.get(database) ??
      openConnection({
        url: own.adminUrl(database),
        typeCast: bytesAsText,
      });
    admins.set(database, open);
    const [rows] = await (await open).query(statement, values);
    return rows as never; // The caller names the columns that it asks for.
  };

  beforeAll(async () => {
    own = await ownDatabases(databases);
    await installTriggerLog(admin);
    accounts = own.pool(own.urls.ACCOUNTS_DATABASE_URL, { connectionLimit: 2 });
    orders = own.pool(own.urls.ORDERS_DATABASE_URL);
    accord = own.pool(own.urls.ACCORD_DATABASE_URL);
  });
  afterAll(async () => {
    for (const open of admins.values()) await (await open).end();
    await own.drop();
  });

  const inTransaction = (
    pool: SqlPool,
    ...statements: readonly (readonly [string, readonly unknown[]])[]
  ): Promise<void> =>
    inSqlTransaction(pool, unhurried(), async (sql) => {
      for (const [statement, values] of statements) await sql.change(statement, values);
    });
  const enter = (gid: string, state: string) =>
    [
      `INSERT INTO fence (gid, branch, state, reserves, attempt_token, epoch)
         VALUES (?, 'holdFunds', ?, 1, RANDOM_BYTES(16), 1)`,
      [gid, state],
    ] as const;
  const move = (gid: string, state: string) =>
    ['UPDATE fence SET state = ? WHERE gid = ?', [state, gid]] as const;
  const remove = (gid: string) => ['DELETE FROM fence WHERE gid = ?', [gid]] as const;
  const movesOf = async (gid: string): Promise<readonly string[]> => {
    const all = await readTransitions(admin, 'accounts');
    return all
      .filter((line) => line.gid === gid)
      .map(({ from, to }) => `${from ?? 'none'} → ${to ?? 'none'}`);
  };

  it('says what a SQL transaction did to a fence row, all in all', async () => {
    await inTransaction(accounts, enter('t:1', 'acted'));
    await inTransaction(accounts, move('t:1', 'confirmed'));
    expect(await movesOf('t:1')).toEqual(['none → acted', 'acted → confirmed']);
    await inTransaction(accounts, enter('t:2', 'acted'), move('t:2', 'refused'));
    expect(await movesOf('t:2')).toEqual(['none → refused']);
    await inTransaction(accounts, enter('t:3', 'acted'), remove('t:3'));
    await inTransaction(accounts, enter('t:3', 'empty'));
    expect(await movesOf('t:3')).toEqual(['none → none', 'none → empty']);
  });

  it('does not take the refusal of another session for part of the act', async () => {
    const other = own.pool(own.urls.ACCOUNTS_DATABASE_URL, { connectionLimit: 1 });
    await inTransaction(accounts, enter('t:4', 'acted'));
    await inTransaction(other, move('t:4', 'refused'));
    expect(await movesOf('t:4')).toEqual(['none → acted', 'acted → refused']);
  });

  it('does not take what a repeated delivery does for part of the act, although it comes in the same session', async () => {
    const alone = own.pool(own.urls.ACCOUNTS_DATABASE_URL, { connectionLimit: 1 });
    const again = ['UPDATE fence SET deliveries = deliveries + 1 WHERE gid = ?', ['t:9']] as const;
    await inTransaction(alone, enter('t:9', 'acted'));
    await inTransaction(alone, again, remove('t:9'));
    expect(await movesOf('t:9')).toEqual(['none → acted', 'acted → none']);
  });

  it('forgets what was rolled back, and a delivery that changed no state', async () => {
    const failing = inSqlTransaction(accounts, unhurried(), async (sql) => {
      await sql.change(...enter('t:5', 'acted'));
      throw new Error('planted');
    });
    await expect(failing).rejects.toThrow('planted');
    expect(await movesOf('t:5')).toEqual([]);
    await inTransaction(accounts, enter('t:6', 'acted'));
    await inTransaction(accounts, [
      'UPDATE fence SET deliveries = deliveries + 1 WHERE gid = ?',
      ['t:6'],
    ]);
    expect(await movesOf('t:6')).toEqual(['none → acted']);
  });

  it('sees a reservation that may be forgotten, a row that goes too soon, and lets an expired one go', async () => {
    const expire = (gid: string, at: string) =>
      [`UPDATE fence SET expires_at = ${at} WHERE gid = ?`, [gid]] as const;
    await inTransaction(accounts, enter('t:7', 'acted'));
    await inTransaction(accounts, expire('t:7', 'UTC_TIMESTAMP(3) + INTERVAL 1 DAY'));
    await inTransaction(accounts, remove('t:7'));
    expect(await movesOf('t:7')).toEqual(['none → acted', 'reserving → expiring', 'acted → none']);
    await inTransaction(accounts, enter('t:8', 'empty'));
    await inTransaction(accounts, expire('t:8', 'UTC_TIMESTAMP(3) - INTERVAL 1 SECOND'));
    await inTransaction(accounts, remove('t:8'));
    expect(await movesOf('t:8')).toEqual(['none → empty']);
  });

  it('passes over what a drill spoils by hand', async () => {
    await inTransaction(accounts, enter('t:10', 'acted'));
    await admin('accounts', `UPDATE fence SET state = 'confirmed' WHERE gid = 't:10'`);
    await admin('accounts', `UPDATE fence SET state = 'acted' WHERE gid = 't:10'`);
    await inTransaction(accounts, move('t:10', 'undone'));
    expect(await movesOf('t:10')).toEqual(['none → acted', 'acted → undone']);
  });

  it("has every token that a customer's row bore, and the checker sees one that went back", async () => {
    const write = (token: number) =>
      orders.change(
        `INSERT INTO customers (customer_id, fencing_token) VALUES ('acme.C-1', ?) AS new
           ON DUPLICATE KEY UPDATE fencing_token = new.fencing_token`,
        [token],
      );
    await write(4);
    await write(7);
    const before = await readFacts(admin);
    expect(before.tokens.map(({ token }) => token)).toEqual(['4', '7']);
    expect(checkHistory([], before).violations).not.toContainEqual(
      expect.objectContaining({ checker: 'lock' }),
    );
    await write(5);
    const { violations } = checkHistory([], await readFacts(admin));
    expect(violations).toContainEqual(expect.objectContaining({ checker: 'lock' }));
  });

  it('has every write of an ending, and the checker sees a second one', async () => {
    await admin(
      'accord',
      `INSERT INTO runs (gid, tenant, flow, reference, operation, idempotency_key, fingerprint, field_digests,
           owner, region, epoch, accepted_at, deadline_at, at_risk)
         VALUES ('order:acme.1', 'acme', 'order', '1', 'POST /v1/orders', 'key-1', REPEAT('f', 32), '{}', 'order:acme.1',
           'a', 1, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), '[]')`,
    );
    const end = (state: string, ending: string) =>
      accord.change(
        `UPDATE runs SET state = ?, ending = ?, ended_at = COALESCE(ended_at, UTC_TIMESTAMP(3)) WHERE gid = 'order:acme.1'`,
        [state, ending],
      );
    await accord.change(`UPDATE runs SET state = 'running' WHERE gid = 'order:acme.1'`);
    await end('completed', '{}');
    await accord.change(`UPDATE runs SET version = version + 1 WHERE gid = 'order:acme.1'`);
    const once = await readFacts(admin);
    expect(once.endings).toEqual([{ gid: 'order:acme.1', from: 'running', to: 'completed' }]);
    expect(once.runs).toEqual([
      { gid: 'order:acme.1', flow: 'order', state: 'completed', idempotencyKey: 'key-1' },
    ]);
    await end('completed', '{"other":"bytes"}');
    const { violations } = checkHistory([], await readFacts(admin));
    expect(violations).toContainEqual(expect.objectContaining({ checker: 'one ending' }));
  });
});

const unhurried = () => ({ signal: new AbortController().signal, deadline: Infinity });
