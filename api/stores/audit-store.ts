import { createHash } from 'node:crypto';

import type { Tenant } from '../../contracts/engine/ids';
import { canonicalJson } from '../../contracts/engine/canonical-json';
import { dependencyUnavailable } from '../http/errors';
import type { JsonValue } from '../http/json-text';
import type { Database, Statements } from './database';

export interface AuditEntry {
  readonly at: Date;
  readonly tenant: Tenant;
  readonly actor: string;
  readonly operation: string;
  readonly gid: string | null;
  /** Digest of the body, evidence of a decision. */
  readonly request: JsonValue;
  /** Status, and the problem's code where there is one: `202`, `409 past_pivot`. */
  readonly outcome: string;
}

/** An entry with its place in the chain. */
export interface ChainedEntry extends AuditEntry {
  /** Digits; rises. */
  readonly id: string;
  readonly previousHash: Buffer;
  readonly hash: Buffer;
}

/** What the first row follows. */
export const chainStart = Buffer.alloc(32);

/** `SHA-256(previous hash ‖ canonical row)`: a row that is changed or taken out breaks every later one. */
export const auditHash = (previous: Buffer, entry: AuditEntry): Buffer =>
  createHash('sha256')
    .update(previous)
    .update(canonicalJson({ ...entry, at: entry.at.toISOString() }))
    .digest();

/** The chain is the mutex of its own end; a named lock, because who may only append can lock no row. */
const chainLock = "CONCAT(DATABASE(), '.audit')";
const lockWaitSeconds = 1;

/** The operators' audit: rows are added, each bound to the one before it. */
export function createAuditStore(database: Database) {
  return {
    /** @throws Problem `dependency_unavailable` also where too many want to write at once. */
    add: (entry: AuditEntry): Promise<void> =>
      database.session(async (sql) => {
        const [lock] = await sql.select<{ readonly isHeld: 0 | 1 | null }>(
          `SELECT GET_LOCK(${chainLock}, ${lockWaitSeconds}) AS isHeld`,
        );
        if (lock?.isHeld !== 1)
          throw dependencyUnavailable('mysql', new Error('The audit is busy.'));
        await append(sql, entry);
        // After an error the connection is closed, and the lock goes with it.
        await sql.select(`SELECT RELEASE_LOCK(${chainLock})`);
      }),

    /** Entries of a tenant, newest first, from behind `before`. */
    list: (
      tenant: Tenant,
      limit: number,
      before = '18446744073709551615',
    ): Promise<readonly ChainedEntry[]> =>
      database.select<ChainedEntry>(
        `SELECT CAST(id AS CHAR) AS id, at, tenant, actor, operation, gid, request, outcome,
           prev_hash AS previousHash, hash
         FROM audit WHERE tenant = ? AND id < CAST(? AS UNSIGNED) ORDER BY audit.id DESC LIMIT ?`,
        [tenant, before, limit],
      ),
  };
}
export type AuditStore = ReturnType<typeof createAuditStore>;

async function append(sql: Statements, entry: AuditEntry): Promise<void> {
  const [last] = await sql.select<{ readonly hash: Buffer }>(
    'SELECT hash FROM audit ORDER BY id DESC LIMIT 1',
  );
  const previous = last?.hash ?? chainStart;
  await sql.change(
    `INSERT INTO audit (at, tenant, actor, operation, gid, request, outcome, prev_hash, hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      entry.at,
      entry.tenant,
      entry.actor,
      entry.operation,
      entry.gid,
      JSON.stringify(entry.request),
      entry.outcome,
      previous,
      auditHash(previous, entry),
    ],
  );
}
