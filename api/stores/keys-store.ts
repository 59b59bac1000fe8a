import type { People } from '../http/people';
import type { Place } from '../http/realms';
import { isSqlError, type Database } from './database';

/** An API key as it is kept: of its secret, the digest alone. */
export interface ApiKey extends Place {
  readonly keyId: string;
  /** The person or system that holds it: the subject of what is done with it. */
  readonly owner: string;
  /** The subject that it was made by; `null`: it is older than this is written down. */
  readonly madeBy: string | null;
  /** All the people who may stand behind the key. */
  readonly people: People;
  readonly secretSha256: Buffer;
  readonly scopes: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

type NewKey = Omit<ApiKey, 'revokedAt' | 'lastUsedAt'>;

const columns = `key_id AS keyId, realm, tenant, owner, made_by AS madeBy, people, secret_sha256 AS secretSha256, scopes,
  created_at AS createdAt, expires_at AS expiresAt, revoked_at AS revokedAt, last_used_at AS lastUsedAt`;

/** Keys of one tenant that a list shows, revoked ones included. */
const keysMax = 1_000;

export function createKeysStore(database: Database) {
  async function add(key: NewKey): Promise<void> {
    await database.change(
      `INSERT INTO api_keys (key_id, realm, tenant, owner, made_by, people, secret_sha256, scopes, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [
        key.keyId,
        key.realm,
        key.tenant,
        key.owner,
        key.madeBy,
        key.people && JSON.stringify(key.people),
        key.secretSha256,
        JSON.stringify(key.scopes),
        key.createdAt,
        key.expiresAt,
      ],
    );
  }

  return {
    add,

    /** Safe to repeat: the first one stands, also where it has been revoked since. */
    async addOnce(key: NewKey): Promise<void> {
      try {
        await add(key);
      } catch (error) {
        if (!isSqlError(error, 'duplicate')) throw error;
      }
    },

    async find(keyId: string): Promise<ApiKey | undefined> {
      const [key] = await database.select<ApiKey>(
        `SELECT ${columns} FROM api_keys WHERE key_id = ?`,
        [keyId],
      );
      return key;
    },

    list: ({ realm, tenant }: Place): Promise<readonly ApiKey[]> =>
      database.select<ApiKey>(
        `SELECT ${columns} FROM api_keys WHERE tenant = ? AND realm = ? ORDER BY created_at DESC, key_id LIMIT ${keysMax}`,
        [tenant, realm],
      ),

    /** Safe to repeat: the first time stands. `false`: there it has no such key. */
    async revoke({ realm, tenant }: Place, keyId: string): Promise<boolean> {
      const changed = await database.change(
        `UPDATE api_keys SET revoked_at = COALESCE(revoked_at, UTC_TIMESTAMP(3)) WHERE key_id = ? AND tenant = ? AND realm = ?`,
        [keyId, tenant, realm],
      );
      return changed === 1; // Rows found, not rows changed: the pool's default flag.
    },

    async touch(keyId: string): Promise<void> {
      await database.change(
        'UPDATE api_keys SET last_used_at = UTC_TIMESTAMP(3) WHERE key_id = ?',
        [keyId],
      );
    },
  };
}
export type KeysStore = ReturnType<typeof createKeysStore>;
