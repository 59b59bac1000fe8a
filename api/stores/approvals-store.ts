import { createHash } from 'node:crypto';

import type { Gid, Tenant } from '../../contracts/engine/ids';
import {
  approvalActionSchema,
  approvalKinds,
  shownAction,
  subjectOf,
  type ApprovalAction,
} from '../approvals/actions';
import { canonicalJson } from '../../contracts/engine/canonical-json';
import type { People } from '../http/people';
import type { TwoPersonRule } from '../approvals/two-persons';
import { isSqlError, withoutDeadlock, type Database, type SqlValue } from './database';

/**
 * `pending`: it waits for a second person.
 * `expired`: no second person decided in time.
 * `void`: the transaction has moved on, or the key that asked is revoked or expired.
 * `approved`: it is to be carried out; `done`: it has been.
 */
export const approvalStates = [
  'pending',
  'expired',
  'void',
  'approved',
  'done',
  'rejected',
] as const;
export type ApprovalState = (typeof approvalStates)[number];

export interface ApprovalRow {
  readonly id: string;
  readonly tenant: Tenant;
  readonly gid: Gid | null;
  readonly action: ApprovalAction;
  readonly rule: TwoPersonRule;
  readonly askedBy: string;
  /** All the people who may stand behind the credential that asked. */
  readonly askedPeople: People;
  /** The API key that asked; `null`: a token did. */
  readonly askedWith: string | null;
  /** It was pending when that key was revoked or expired, and is void for it. */
  readonly isKeyGone: boolean;
  readonly askedAt: Date;
  readonly expiresAt: Date;
  readonly state: ApprovalState;
  readonly decidedBy: string | null;
  readonly decidedAt: Date | null;
  readonly note: string | null;
  readonly closedAt: Date | null;
}
export type NewApproval = Pick<
  ApprovalRow,
  'id' | 'tenant' | 'action' | 'rule' | 'askedBy' | 'askedPeople' | 'askedWith'
>;

/** How a second person decides. */
export interface Verdict {
  readonly tenant: Tenant;
  readonly id: string;
  readonly by: string;
  /** All the people who may stand behind the credential that decides. */
  readonly people: People;
  readonly note: string | null;
}

/** Life of a question: an approval must not come when the asker no longer remembers the request. */
const expirySeconds = 1_800;
/** Open questions of one tenant. */
export const pendingMax = 100;
const keepDays = 30;
const forgetAtOnce = 100;

/** The key that asked is revoked or expired, so its request no longer counts; only the database's clock decides. */
const isKeyGone = `a.asked_with IS NOT NULL AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.key_id = a.asked_with
  AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > UTC_TIMESTAMP(3)))`;
/** Waits for a second person, who may still decide. */
const isOpen = `a.state = 'pending' AND a.expires_at > UTC_TIMESTAMP(3) AND NOT (${isKeyGone})`;

/**
 * The state of an undecided question depends on its time, its transaction and its asker's key. Only the database's
 * clock counts.
 */
const columns = `a.id, a.tenant, a.gid, a.action, a.rule, a.asked_by AS askedBy, a.asked_people AS askedPeople, a.asked_with AS askedWith, a.asked_at AS askedAt,
  a.expires_at AS expiresAt, a.decided_by AS decidedBy, a.decided_at AS decidedAt, a.note, a.closed_at AS closedAt,
  a.state = 'pending' AND ${isKeyGone} AS isKeyGone,
  CASE WHEN a.state <> 'pending' THEN a.state
    WHEN a.expires_at <= UTC_TIMESTAMP(3) THEN 'expired'
    WHEN ${isKeyGone} THEN 'void'
    WHEN a.version IS NOT NULL AND NOT a.version <=> r.version THEN 'void'
    ELSE 'pending' END AS state`;
const withRun = 'LEFT JOIN runs r ON r.gid = a.gid AND r.tenant = a.tenant';

/** A part of an index where rows of a list stand, newest first. */
interface Range {
  readonly index: 'by_state' | 'waiting';
  readonly where: string;
  /** All of it is looked at, for it may have rows of another state: no more than what was asked in `expirySeconds`. */
  readonly isWhole: boolean;
}

/** What a question is shown as follows from what is stored; a question whose time is over stays stored as `pending`. */
function rangesOf(states: readonly ApprovalState[]): readonly Range[] {
  const stored = states.filter((state) => state !== 'pending' && state !== 'expired');
  const range = (where: string): Range => ({ index: 'by_state', where, isWhole: false });
  return [
    ...stored.map((state) => range(`state = '${state}'`)),
    ...(states.includes('expired')
      ? [range(`state = 'pending' AND expires_at <= UTC_TIMESTAMP(3)`)]
      : []),
    ...(states.includes('pending') || states.includes('void')
      ? [
          {
            index: 'waiting' as const,
            where: `state = 'pending' AND expires_at > UTC_TIMESTAMP(3)`,
            isWhole: true,
          },
        ]
      : []),
  ];
}

/** Takes tenant, the id before which, kinds, and how many unless it is read whole. */
const rangeText = ({ index, where, isWhole }: Range): string =>
  `(SELECT id AS found FROM approvals FORCE INDEX (${index})
      WHERE tenant = ? AND ${where} AND id < ? AND kind IN (?) ${isWhole ? '' : 'ORDER BY id DESC LIMIT ?'})`;

/** Questions to a second person. Every change is a compare-and-set on the state. */
export function createApprovalsStore(database: Database) {
  const close = (id: string, was: 'approved', state: 'done' | 'void'): Promise<number> =>
    database.change(
      `UPDATE approvals SET state = ?, closed_at = UTC_TIMESTAMP(3), open_digest = NULL WHERE id = ? AND state = ?`,
      [state, id, was],
    );

  return {
    /**
     * Writes a question down. The same one of the same asker that is still open is that one.
     * @returns its id; `undefined`: the tenant has too many open ones (more than `pendingMax`, by as many as come at
     *   once).
     */
    async ask(question: NewApproval): Promise<string | undefined> {
      const digest = digestOf(question);
      await tidy(database, digest);
      if ((await pendingOf(database, question.tenant)) >= pendingMax) return undefined;
      try {
        await insert(database, question, digest);
        return question.id;
      } catch (error) {
        if (!isSqlError(error, 'duplicate')) throw error;
        const [open] = await database.select<{ readonly id: string }>(
          'SELECT id FROM approvals WHERE open_digest = ?',
          [digest],
        );
        return open?.id; // Closed in this very moment: too many come at once, too.
      }
    },

    async find(tenant: Tenant, id: string): Promise<ApprovalRow | undefined> {
      const [row] = await database.select<RawRow>(
        `SELECT ${columns} FROM approvals a ${withRun} WHERE a.id = ? AND a.tenant = ? AND a.kind IN (?)`,
        [id, tenant, approvalKinds],
      );
      return row && rowOf(row);
    },

    /** What is asked, and neither decided for good nor void, of the key with this id. */
    async findKeyAsked(tenant: Tenant, keyId: string): Promise<ApprovalRow | undefined> {
      const [row] = await database.select<RawRow>(
        `SELECT ${columns} FROM approvals a FORCE INDEX (waiting) ${withRun}
           WHERE a.tenant = ? AND a.kind = 'createKey' AND a.action->>'$.keyId' = ?
             AND (a.state = 'approved' OR (${isOpen})) ORDER BY a.id LIMIT 1`,
        [tenant, keyId],
      );
      return row && rowOf(row);
    },

    /** Newest first, from behind `before`. */
    async list(
      tenant: Tenant,
      states: readonly ApprovalState[],
      limit: number,
      before = '~',
    ): Promise<readonly ApprovalRow[]> {
      const ranges = rangesOf(states);
      const rows = await database.select<RawRow>(
        `SELECT * FROM (SELECT ${columns} FROM (${ranges.map(rangeText).join(' UNION ALL ')}) AS page
             STRAIGHT_JOIN approvals a FORCE INDEX (PRIMARY) ON a.id = page.found ${withRun}) AS seen
           WHERE state IN (?) ORDER BY id DESC LIMIT ?`,
        [
          ...ranges.flatMap(({ isWhole }) => [
            ...[tenant, before, approvalKinds],
            ...(isWhole ? [] : [limit]),
          ]),
          ...[states, limit],
        ],
      );
      return rows.map(rowOf);
    },

    /** @returns false: it is not pending any more, its time is over, or the key that asked is revoked or expired. */
    async approve({ tenant, id, by, people, note }: Verdict): Promise<boolean> {
      const changed = await database.change(
        `UPDATE approvals a SET state = 'approved', decided_by = ?, decided_people = ?, decided_at = UTC_TIMESTAMP(3), note = ?
         WHERE id = ? AND tenant = ? AND ${isOpen}`,
        [by, textOf(people), note, id, tenant],
      );
      return changed === 1;
    },

    /** @returns false: as `approve`. */
    async reject({ tenant, id, by, people, note }: Verdict): Promise<boolean> {
      const changed = await database.change(
        `UPDATE approvals a SET state = 'rejected', decided_by = ?, decided_people = ?, decided_at = UTC_TIMESTAMP(3), note = ?,
           closed_at = UTC_TIMESTAMP(3), open_digest = NULL
         WHERE id = ? AND tenant = ? AND ${isOpen}`,
        [by, textOf(people), note, id, tenant],
      );
      return changed === 1;
    },

    /** It has been carried out. Safe to repeat. */
    async finish(id: string): Promise<void> {
      await close(id, 'approved', 'done');
    },

    /** What was approved cannot be carried out any more, and was not. Safe to repeat. */
    async annul(id: string): Promise<void> {
      await close(id, 'approved', 'void');
    },
  };
}
export type ApprovalsStore = ReturnType<typeof createApprovalsStore>;

type RawRow = Omit<ApprovalRow, 'action' | 'isKeyGone'> & {
  readonly action: unknown;
  readonly isKeyGone: 0 | 1;
};

const rowOf = ({ action, isKeyGone: gone, ...row }: RawRow): ApprovalRow => ({
  ...row,
  isKeyGone: gone === 1,
  action: approvalActionSchema.parse(action),
});

const textOf = (people: People): string | null => people && JSON.stringify(people);

/** Digest of the shown action. The secret of a new key is left out: it differs each time that its call is sent. */
const digestOf = ({ tenant, askedBy, action }: NewApproval): Buffer =>
  createHash('sha256')
    .update(canonicalJson({ tenant, askedBy, action: shownAction(action) }))
    .digest();

/** Makes room: a question whose time or key is over may be asked again, and old ones are forgotten. */
async function tidy(database: Database, digest: Buffer): Promise<void> {
  await withoutDeadlock(() =>
    database.change(
      `UPDATE approvals a SET open_digest = NULL
       WHERE open_digest = ? AND state = 'pending' AND NOT (${isOpen})`,
      [digest],
    ),
  );
  await withoutDeadlock(() =>
    database.change(
      `DELETE FROM approvals WHERE expires_at < UTC_TIMESTAMP(3) - INTERVAL ${keepDays} DAY
       ORDER BY expires_at LIMIT ${forgetAtOnce}`,
    ),
  );
}

async function pendingOf(database: Database, tenant: Tenant): Promise<number> {
  const [row] = await database.select<{ readonly n: number }>(
    `SELECT COUNT(*) AS n FROM approvals a FORCE INDEX (waiting) WHERE tenant = ? AND ${isOpen}`,
    [tenant],
  );
  return row?.n ?? 0;
}

async function insert(database: Database, question: NewApproval, digest: Buffer): Promise<void> {
  const { id, tenant, action, rule, askedBy, askedPeople, askedWith } = question;
  const subject = subjectOf(action);
  const values: readonly SqlValue[] = [
    ...[id, tenant, action.kind, subject?.gid ?? null, subject?.version ?? null],
    ...[JSON.stringify(action), rule, askedBy, textOf(askedPeople), askedWith],
    ...[expirySeconds, digest],
  ];
  await withoutDeadlock(() =>
    database.change(
      `INSERT INTO approvals (id, tenant, kind, gid, version, action, rule, asked_by, asked_people, asked_with, asked_at,
         expires_at, open_digest)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) + INTERVAL ? SECOND, ?)`,
      values,
    ),
  );
}
