/** How a start is accepted once: key, run and event are claimed in one SQL transaction. */
import type { Gid } from '../../../contracts/engine/ids';
import type { TransactionInput } from '../../../contracts/engine/transaction';
import type { Fingerprint } from '../../http/idempotency';
import type { People } from '../../http/people';
import { isSqlError, withoutDeadlock, type Database, type Statements } from '../database';
import { announce } from './events';
import {
  activeRegion,
  claimSwitchSlot,
  SwitchSlotRefused,
  type Refused,
  type SwitchSlot,
} from './hub';

/** A start as it is claimed: key, run and validated input are one row. */
export interface NewRun {
  readonly input: TransactionInput;
  readonly reference: string;
  /** Method and route template: the scope of the key, together with the tenant. */
  readonly operation: string;
  readonly idempotencyKey: string;
  readonly fingerprint: Fingerprint;
  /** All the people who may stand behind the credential that starts it. */
  readonly requester: People;
  readonly acceptedAt: Date;
  /** Only for a flow of operators, which moves regions itself. Left out: a customer's flow, refused during a switch. */
  readonly turn?: SwitchSlot | undefined;
}
/** What the key of a request is looked up by. */
export type KeyedRequest = Pick<NewRun, 'operation' | 'idempotencyKey' | 'fingerprint'> & {
  readonly input: Pick<TransactionInput, 'tenant'>;
};

/** What became of the first request with a key. */
export type EarlierClaim =
  /** The same request came before under this key. */
  | { readonly kind: 'attached'; readonly gid: Gid }
  /** Another request came before under this key. */
  | { readonly kind: 'reused'; readonly gid: Gid; readonly fields: Fingerprint['fields'] };

export type Claim =
  | { readonly kind: 'accepted' }
  | EarlierClaim
  /** The reference was used under another key. */
  | { readonly kind: 'exists'; readonly gid: Gid }
  /** The first request with this key or reference is not committed yet. */
  | { readonly kind: 'inProgress' }
  | Refused;

/**
 * Claims key and reference by INSERT, never by SELECT first: two requests at once cannot both find nothing.
 * A claim that is not committed yet makes the INSERT wait, for `innodb_lock_wait_timeout` of the session.
 */
export async function acceptRun(database: Database, cluster: string, run: NewRun): Promise<Claim> {
  try {
    const refused = await withoutDeadlock(() =>
      database.transaction((sql) => writeAcceptance(sql, cluster, run)),
    );
    if (!refused) return { kind: 'accepted' };
    return (await findClaim(database, run)) ?? refused; // What was taken in before is answered all the same.
  } catch (error) {
    if (error instanceof SwitchSlotRefused)
      return (await findClaim(database, run)) ?? error.refused;
    if (isSqlError(error, 'lockWait')) return { kind: 'inProgress' };
    if (isSqlError(error, 'duplicate')) return earlierClaim(database, run);
    throw error;
  }
}

/**
 * @returns why nothing was written. It is not thrown: an error costs the connection, and during a switch every start is
 *   refused.
 */
async function writeAcceptance(
  sql: Statements,
  cluster: string,
  run: NewRun,
): Promise<Refused | undefined> {
  const hub = run.turn
    ? await claimSwitchSlot(sql, cluster, run.turn)
    : await activeRegion(sql, cluster);
  if (!run.turn && hub.state === 'failing-over') return { kind: 'switching' };
  const { region, epoch } = hub;
  await insertRun(sql, run, region, epoch);
  const { gid, tenant, flow } = run.input;
  await announce(sql, { gid, op: 'accepted', sequence: 1, epoch, data: { gid, tenant, flow } });
  return undefined;
}

async function insertRun(
  sql: Statements,
  run: NewRun,
  region: string,
  epoch: number,
): Promise<void> {
  const { gid, tenant, flow, deadlineAt } = run.input;
  await sql.change(
    `INSERT INTO runs (gid, tenant, flow, reference, operation, idempotency_key, fingerprint, field_digests, input,
       owner, region, epoch, accepted_at, deadline_at, at_risk, requester)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', ?)`,
    [
      gid,
      tenant,
      flow,
      run.reference,
      run.operation,
      run.idempotencyKey,
      run.fingerprint.digest,
      JSON.stringify(run.fingerprint.fields),
      Buffer.from(JSON.stringify(run.input)),
      gid,
      region,
      epoch,
      run.acceptedAt,
      new Date(deadlineAt),
      run.requester && JSON.stringify(run.requester),
    ],
  );
}

/** Who was first: asked by key, because one key with two references is a reused key, not a used reference. */
const earlierClaim = async (database: Database, run: NewRun): Promise<Claim> =>
  (await findClaim(database, run)) ?? { kind: 'exists', gid: run.input.gid };

/** The claim of the first request with this key; `undefined`: none is committed. */
export async function findClaim(
  database: Database,
  { input, operation, idempotencyKey, fingerprint }: KeyedRequest,
): Promise<EarlierClaim | undefined> {
  const [byKey] = await database.select<{
    readonly gid: Gid;
    readonly fingerprint: Buffer;
    readonly fields: Fingerprint['fields'];
  }>(
    `SELECT gid, fingerprint, field_digests AS fields FROM runs
     WHERE tenant = ? AND operation = ? AND idempotency_key = ?`,
    [input.tenant, operation, idempotencyKey],
  );
  if (!byKey) return undefined;
  return byKey.fingerprint.equals(fingerprint.digest)
    ? { kind: 'attached', gid: byKey.gid }
    : { kind: 'reused', gid: byKey.gid, fields: byKey.fields };
}
