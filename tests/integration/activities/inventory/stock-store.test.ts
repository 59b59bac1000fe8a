import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { FaultPoints } from '../../../../runtime/faults/points';
import { createInventory } from '../../../../activities/inventory/activities';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { gidOf, stepKeyOf, type StepKey } from '../../../../contracts/engine/ids';
import type {
  InventoryActivities,
  ReserveStock,
} from '../../../../contracts/participants/inventory';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { participantFence } from '../../../support/participant-fence';
import { eventsAgainstCatalogue } from '../../../support/catalogue';

let databases: OwnDatabases;
let pool: SqlPool;
let admin: SqlPool;
let inventory: InventoryActivities;
/** Every test has SKUs of its own. */
let shelf: string;

beforeAll(async () => {
  databases = await ownDatabases(['inventory']);
  pool = databases.pool(databases.urls.INVENTORY_DATABASE_URL);
  admin = databases.pool(databases.adminUrl('inventory'));
  inventory = createInventory(participantFence(pool));
});
afterAll(() => databases.drop());
beforeEach(() => {
  shelf = randomUUID().slice(0, 8);
});

const sku = (name: string): string => `acme.${shelf}-${name}`;
const aKey = (): StepKey => stepKeyOf(gidOf('order', `acme.${randomUUID()}`), 'reserveStock');
const keyed = (key: StepKey) => ({ key, minEpoch: 1 });

const reserving = (lines: Readonly<Record<string, number>>, key = aKey()): ReserveStock => ({
  ...keyed(key),
  lines: Object.entries(lines).map(([name, quantity]) => ({ sku: sku(name), quantity })),
});

async function stocked(pieces: Readonly<Record<string, number>>): Promise<void> {
  const rows = Object.entries(pieces).map(([name, total]) => [sku(name), 'acme', total, total]);
  await pool.change('INSERT INTO stock (sku, tenant, total, available) VALUES ?', [rows]);
}

/** `available/frozen/sold`. */
async function stockOf(name: string): Promise<string> {
  const [row] = await pool.select<{ available: number; frozen: number; sold: number }>(
    'SELECT available, frozen, sold FROM stock WHERE sku = ?',
    [sku(name)],
  );
  return row ? `${row.available}/${row.frozen}/${row.sold}` : 'none';
}

/** The oracle: stock whose parts do not add up, or that its reservations do not explain. */
const driftedStock = () =>
  admin.select(
    `SELECT s.sku FROM stock s LEFT JOIN (SELECT sku, SUM(IF(state = 'frozen', qty, 0)) f, SUM(IF(state = 'sold', qty, 0)) d
         FROM reservations GROUP BY sku) r ON r.sku = s.sku
       WHERE s.available + s.frozen + s.sold <> s.total OR LEAST(s.available, s.frozen, s.sold) < 0
         OR s.frozen <> COALESCE(r.f, 0) OR s.sold <> COALESCE(r.d, 0)`,
  );

describe('reserving stock', () => {
  it('freezes all lines of a request and announces them with the effect', async () => {
    await stocked({ apples: 10, pears: 5 });
    const request = reserving({ apples: 3, pears: 5 });
    const [verdict] = await inventory.reserveStock([request]);
    expect(verdict).toMatchObject({ ok: true, fence: 'first', result: { pieces: 8 } });
    expect([await stockOf('apples'), await stockOf('pears')]).toEqual(['7/3/0', '0/5/0']);
    const events = await pool.select(
      'SELECT type, topic, aggregate_id, sequence, payload FROM outbox WHERE aggregate_id = ?',
      [request.key],
    );
    expect(events).toEqual([
      {
        type: 'stock.reserved',
        topic: 'accord.inventory',
        aggregate_id: request.key,
        sequence: 1,
        payload: { lines: request.lines },
      },
    ]);
  });

  it('freezes none of the lines when one does not fit, and names that one without its tenant', async () => {
    await stocked({ apples: 10, pears: 1 });
    const [verdict] = await inventory.reserveStock([reserving({ apples: 3, pears: 2 })]);
    expect(verdict).toMatchObject({
      ok: false,
      failure: 'OutOfStock',
      detail: `${shelf}-pears: 2 asked, 1 left`,
    });
    expect([await stockOf('apples'), await stockOf('pears')]).toEqual(['10/0/0', '1/0/0']);
  });

  it('has nothing left of a SKU that it does not know', async () => {
    const [verdict] = await inventory.reserveStock([reserving({ ghosts: 2 })]);
    expect(verdict).toMatchObject({
      failure: 'OutOfStock',
      detail: `${shelf}-ghosts: 2 asked, 0 left`,
    });
  });

  it('answers a repeated key with the first answer and one effect', async () => {
    await stocked({ apples: 10 });
    const request = reserving({ apples: 4 });
    const [first] = await inventory.reserveStock([request]);
    const [second] = await inventory.reserveStock([request]);
    expect(second).toMatchObject({ ok: true, fence: 'duplicate', result: { pieces: 4 } });
    expect(first).toMatchObject({ fence: 'first' });
    expect(await stockOf('apples')).toBe('6/4/0');
  });

  it('gives twenty deliveries of one key at once a single effect', async () => {
    await stocked({ apples: 10 });
    const request = reserving({ apples: 4 });
    const verdicts = await Promise.all(
      Array.from({ length: 20 }, () => inventory.reserveStock([request])),
    );
    expect(verdicts.flat().filter(({ ok }) => ok)).toHaveLength(20);
    expect(await stockOf('apples')).toBe('6/4/0');
  });

  it('refuses the same key with other lines', async () => {
    await stocked({ apples: 10 });
    const request = reserving({ apples: 4 });
    await inventory.reserveStock([request]);
    const [verdict] = await inventory.reserveStock([reserving({ apples: 5 }, request.key)]);
    expect(verdict).toMatchObject({ ok: false, failure: 'IdempotencyConflict' });
    expect(await stockOf('apples')).toBe('6/4/0');
  });

  it('decides a set in order: a refused request leaves its pieces to those behind it', async () => {
    await stocked({ apples: 5 });
    const keys = [1, 2, 3].map((n) =>
      stepKeyOf(gidOf('order', `acme.${shelf}-${n}`), 'reserveStock'),
    );
    const [first = '', second = '', third = ''] = keys;
    const verdicts = await inventory.reserveStock([
      reserving({ apples: 3 }, first),
      reserving({ apples: 3 }, second),
      reserving({ apples: 2 }, third),
    ]);
    const outcomes = new Map(verdicts.map(({ gid, branch, ok }) => [stepKeyOf(gid, branch), ok]));
    expect(keys.map((key) => outcomes.get(key))).toEqual([true, false, true]);
    expect(await stockOf('apples')).toBe('0/5/0');
  });

  it('never sells what is not there: fifty orders at once, in sets that overlap in other orders', async () => {
    await stocked({ apples: 20, pears: 20, plums: 20 });
    const sets = Array.from({ length: 10 }, (_, n) =>
      Array.from({ length: 5 }, () =>
        reserving(n % 2 ? { apples: 1, pears: 1, plums: 1 } : { plums: 1, pears: 1, apples: 1 }),
      ),
    );
    const verdicts = (await Promise.all(sets.map((set) => inventory.reserveStock(set)))).flat();
    expect(verdicts.filter(({ ok }) => ok)).toHaveLength(20);
    expect(await stockOf('plums')).toBe('0/20/0');
    expect(await driftedStock()).toEqual([]);
  });

  it('carries a set of more keys than one statement takes', async () => {
    const names = Array.from({ length: 1_500 }, (_, n) => `bulk-${n}`);
    await stocked(Object.fromEntries(names.map((name) => [name, 2])));
    const requests = Array.from({ length: 15 }, (_, n) =>
      reserving(Object.fromEntries(names.slice(n * 100, n * 100 + 100).map((name) => [name, 1]))),
    );
    const verdicts = await inventory.reserveStock(requests);
    expect(verdicts.filter(({ ok }) => ok)).toHaveLength(15);
    const released = await inventory.releaseStock(requests.map(({ key }) => keyed(key)));
    expect(released.filter(({ ok }) => ok)).toHaveLength(15);
    expect(await stockOf('bulk-1499')).toBe('2/0/0');
    expect(await driftedStock()).toEqual([]);
  });
});

describe('ending a reservation', () => {
  it('sells what was frozen, once', async () => {
    await stocked({ apples: 10 });
    const { key, lines } = reserving({ apples: 4 });
    await inventory.reserveStock([{ ...keyed(key), lines }]);
    expect(await inventory.confirmStock([keyed(key)])).toMatchObject([{ ok: true }]);
    expect(await inventory.confirmStock([keyed(key)])).toMatchObject([{ ok: true }]);
    expect(await stockOf('apples')).toBe('6/0/4');
    expect(await driftedStock()).toEqual([]);
  });

  it('puts back what was frozen, once', async () => {
    await stocked({ apples: 10, pears: 2 });
    const { key, lines } = reserving({ apples: 4, pears: 2 });
    await inventory.reserveStock([{ ...keyed(key), lines }]);
    expect(await inventory.releaseStock([keyed(key)])).toMatchObject([{ ok: true }]);
    expect(await inventory.releaseStock([keyed(key)])).toMatchObject([{ ok: true }]);
    expect([await stockOf('apples'), await stockOf('pears')]).toEqual(['10/0/0', '2/0/0']);
    expect(await driftedStock()).toEqual([]);
  });

  it('fences the reservation whose release came first', async () => {
    await stocked({ apples: 10 });
    const request = reserving({ apples: 4 });
    expect(await inventory.releaseStock([keyed(request.key)])).toMatchObject([
      { ok: true, fence: 'empty' },
    ]);
    expect(await inventory.reserveStock([request])).toMatchObject([
      { ok: false, failure: 'Fenced' },
    ]);
    expect(await stockOf('apples')).toBe('10/0/0');
  });

  it('does not sell what was never reserved, nor what was released', async () => {
    await stocked({ apples: 10 });
    const request = reserving({ apples: 4 });
    expect(await inventory.confirmStock([keyed(aKey())])).toMatchObject([
      { failure: 'InvariantBroken' },
    ]);
    await inventory.reserveStock([request]);
    await inventory.releaseStock([keyed(request.key)]);
    expect(await inventory.confirmStock([keyed(request.key)])).toMatchObject([
      { failure: 'InvariantBroken' },
    ]);
    expect(await stockOf('apples')).toBe('10/0/0');
  });

  it('ends a set: released and sold pieces of one SKU at the same time', async () => {
    await stocked({ apples: 40 });
    const requests = Array.from({ length: 20 }, () => reserving({ apples: 2 }));
    await inventory.reserveStock(requests);
    const [sold, released] = [requests.slice(0, 10), requests.slice(10)];
    await Promise.all([
      inventory.confirmStock(sold.map(({ key }) => keyed(key))),
      inventory.releaseStock(released.map(({ key }) => keyed(key))),
    ]);
    expect(await stockOf('apples')).toBe('20/0/20');
    expect(await driftedStock()).toEqual([]);
  });
});

describe('a connection that drops', () => {
  it('leaves nothing behind when it drops before COMMIT, and the retry acts once', async () => {
    await stocked({ apples: 10 });
    let connection = 0;
    const faults: FaultPoints = {
      async reach(_, point) {
        if (point !== 'beforeCommit' || connection > 0) return;
        const [own] = await admin.select<{ id: string }>(
          `SELECT trx_mysql_thread_id AS id FROM information_schema.innodb_trx
             WHERE trx_mysql_thread_id IN (SELECT id FROM information_schema.processlist WHERE user = ?)`,
          [`${databases.prefix}inventory`],
        );
        connection = Number(own?.id);
        await admin.change('KILL ?', [connection]);
      },
    };
    const torn = createInventory(participantFence(pool, { faults }));
    const request = reserving({ apples: 4 });
    await expect(torn.reserveStock([request])).rejects.toThrow();
    expect(connection).toBeGreaterThan(0);
    expect(await stockOf('apples')).toBe('10/0/0');
    expect(await torn.reserveStock([request])).toMatchObject([{ ok: true, fence: 'first' }]);
    expect(await stockOf('apples')).toBe('6/4/0');
  });
});

describe('the statements of the store', () => {
  it.each([2, 50, 300, 1_000])('lock %i rows by primary key, never by a scan', async (keys) => {
    const names = Array.from({ length: keys }, (_, n) => `acme.explain-${n}`);
    const plan = await admin.select<{ type: string; key: string; Extra: string | null }>(
      'EXPLAIN FORMAT=TRADITIONAL SELECT sku, available FROM stock FORCE INDEX (PRIMARY) WHERE sku IN (?) ORDER BY sku FOR UPDATE',
      [names],
    );
    const values = names.map(() => 'ROW(?, ?)').join(', ');
    const update = await admin.select<{ table: string; type: string; key: string }>(
      `EXPLAIN FORMAT=TRADITIONAL UPDATE (VALUES ${values}) AS d (sku, pieces)
         STRAIGHT_JOIN stock s FORCE INDEX (PRIMARY) ON s.sku = CAST(d.sku AS BINARY)
         SET s.available = s.available - d.pieces, s.frozen = s.frozen + d.pieces`,
      names.flatMap((name) => [name, 1]),
    );
    expect(plan).toMatchObject([{ type: 'range', key: 'PRIMARY' }]);
    expect(plan[0]?.Extra ?? '').not.toContain('filesort');
    expect(update.find(({ table }) => table === 's')).toMatchObject({
      type: 'eq_ref',
      key: 'PRIMARY',
    });
  });

  it('announces what the catalogue of events says', async () => {
    const { fit, misfits } = await eventsAgainstCatalogue(admin);
    expect(misfits).toEqual([]);
    expect(fit).toBeGreaterThan(0);
  });
});
