import { z } from 'zod';

import type { SqlPool } from '../../activities/fence/sql-transaction';
import { shop } from '../../contracts/shop';

const schemas = new Map(
  shop.events.map(({ topic, type, data }) => [
    `${topic} ${type}`,
    z.fromJSONSchema(data as Parameters<typeof z.fromJSONSchema>[0]),
  ]),
);

/** Compares the events of an outbox with the catalogue. @returns how many fit, and a sentence for each that does not. */
export async function eventsAgainstCatalogue(pool: Pick<SqlPool, 'select'>) {
  const rows = await pool.select<{ topic: string; type: string; payload: object }>(
    'SELECT topic, type, payload FROM outbox',
  );
  const misfits = rows.flatMap(({ topic, type, payload }) => {
    const schema = schemas.get(`${topic} ${type}`);
    if (!schema) return [`${type} on ${topic} is not in the catalogue.`];
    const { error } = schema.safeParse(payload);
    return error ? [`${type}: ${z.prettifyError(error)}`] : [];
  });
  return { fit: rows.length - misfits.length, misfits: [...new Set(misfits)] };
}
