/** Rooms, seats and cents are set aside alike: out of `free` into `held`, with a row of `holds` for each effect. */
import { effectOf, expectRows } from 'accord/activity';
import type { ActImplementation, FollowUpImplementation, SqlTransaction } from 'accord/activity';
import { partsOfBusinessId, stepKeyOf, type BusinessId, type StepKey } from 'accord/contracts';

import type { Held } from './participants';

interface Hold {
  readonly key: StepKey;
  readonly id: BusinessId;
  readonly amount: number;
}
type Delta = Readonly<Partial<Record<'free' | 'held' | 'taken', number>>>;

/** Locks rows in the order of their ids, as every statement here: two transactions never wait for each other in a circle. */
export async function lockRows(sql: SqlTransaction, table: string, ids: readonly BusinessId[]) {
  const rows = await sql.select<{ readonly id: BusinessId; readonly free: string }>(
    `SELECT id, free FROM ${table} FORCE INDEX (PRIMARY) WHERE id IN (?) ORDER BY id FOR UPDATE`,
    [[...new Set(ids)].sort()],
  );
  return new Map(rows.map(({ id, free }) => [id, Number(free)])); // BIGINT arrives as digits.
}

/** Adds to the columns of a row that is locked. */
export async function add(sql: SqlTransaction, table: string, id: BusinessId, delta: Delta) {
  const columns = Object.keys(delta).map((name) => `${name} = ${name} + ?`);
  const statement = `UPDATE ${table} SET ${columns.join(', ')} WHERE id = ?`;
  expectRows(table, await sql.change(statement, [...Object.values(delta), id]), 1);
}

/** What these effects still hold, by the order of the rows that they hold of. @throws where one holds nothing. */
export async function holdsOf(sql: SqlTransaction, keys: readonly StepKey[]) {
  const rows = await sql.select<{ gid: string; branch: string; id: BusinessId; amount: string }>(
    `SELECT gid, branch, id, amount FROM holds
       WHERE (gid, branch) IN (?) AND state = 'held' ORDER BY id`,
    [namesOf(keys)],
  );
  expectRows('holds', rows.length, keys.length);
  return rows.map(({ gid, branch, id, amount }): Hold => {
    return { key: stepKeyOf(gid, branch), id, amount: Number(amount) };
  });
}

export async function endHolds(sql: SqlTransaction, keys: readonly StepKey[], state: string) {
  const statement = 'UPDATE holds SET state = ? WHERE (gid, branch) IN (?)';
  expectRows('holds', await sql.change(statement, [state, namesOf(keys)]), keys.length);
}

const namesOf = (keys: readonly StepKey[]) =>
  keys.map(effectOf).map(({ gid, branch }) => [gid, branch]);

/** @param wanted of which row a request wants how much. */
export function holdingOf<Request extends object>(
  table: 'hotels' | 'flights' | 'accounts',
  refusal: string,
  wanted: (request: Request) => Omit<Hold, 'key'>,
) {
  const hold: ActImplementation<Request, Held> = {
    content: wanted,
    rows: () => 2,
    async effect(sql, requests) {
      const asked = requests.map((request): Hold => ({ key: request.key, ...wanted(request) }));
      const ids = asked.map(({ id }) => id);
      const free = await lockRows(sql, table, ids);
      const decided = asked.map(({ key, id, amount }) => {
        const left = (free.get(id) ?? 0) - amount;
        if (left < 0) {
          const detail = `${partsOfBusinessId(id)?.id ?? id} has less than ${amount} left`;
          return { key, ok: false, failure: refusal, detail } as const;
        }
        free.set(id, left);
        return { key, ok: true, result: { holdKey: key } } as const;
      });
      for (const { key, id, amount } of asked.filter((_, at) => decided[at]?.ok)) {
        const { gid, branch } = effectOf(key);
        await add(sql, table, id, { free: -amount, held: amount });
        const row = [gid, branch, id, amount];
        await sql.change('INSERT INTO holds (gid, branch, id, amount) VALUES (?)', [row]);
      }
      return decided;
    },
  };

  const end = (to: 'free' | 'taken'): FollowUpImplementation => ({
    async effect(sql, keys) {
      const holds = await holdsOf(sql, keys);
      for (const { id, amount } of holds)
        await add(sql, table, id, { held: -amount, [to]: amount });
      await endHolds(sql, keys, to);
      return undefined;
    },
  });

  return { hold, free: end('free'), take: end('taken') };
}
