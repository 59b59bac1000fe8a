import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

import { canonicalJson } from '../../contracts/engine/canonical-json';
import { Problem } from './errors';
import type { JsonValue } from './json-text';

/** The last row of a page: the next one begins behind it. */
export interface Position {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly id: string;
}

const positionSchema = z.tuple([z.number(), z.string()]);

/**
 * Cursors of lists: opaque, signed, and bound to what they were made for (route, tenant, filters).
 *
 * @param secret the same in every process, so that a page may come from another one.
 */
export function createCursors(secret: string) {
  const signatureOf = (payload: string, boundTo: JsonValue): Buffer =>
    createHmac('sha256', secret)
      .update(`${payload}.${canonicalJson(boundTo)}`)
      .digest();

  const cursors = {
    encode({ at, id }: Position, boundTo: JsonValue): string {
      const payload = Buffer.from(JSON.stringify([at, id])).toString('base64url');
      return `${payload}.${signatureOf(payload, boundTo).toString('base64url')}`;
    },
    /** @throws Problem `cursor_invalid`: cut, forged, or of another list. */
    decode(cursor: string, boundTo: JsonValue): Position {
      const [payload = '', signature = ''] = cursor.split('.');
      const given = Buffer.from(signature, 'base64url');
      const right = signatureOf(payload, boundTo);
      if (given.length !== right.length || !timingSafeEqual(given, right)) {
        throw new Problem('cursor_invalid');
      }
      const [at, id] = positionSchema.parse(
        JSON.parse(Buffer.from(payload, 'base64url').toString()),
      );
      return { at, id };
    },
    /** A page of a list that is ordered by id alone, out of its rows and one more where there is one. */
    pageOf<Row>(
      rows: readonly Row[],
      size: number,
      boundTo: JsonValue,
      idOf: (row: Row) => string,
    ): { readonly page: readonly Row[]; readonly nextCursor: string | null } {
      const page = rows.slice(0, size);
      const last = rows.length > size ? page.at(-1) : undefined;
      const nextCursor = last ? cursors.encode({ at: 0, id: idOf(last) }, boundTo) : null;
      return { page, nextCursor };
    },
  };
  return cursors;
}
export type Cursors = ReturnType<typeof createCursors>;
