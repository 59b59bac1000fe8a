import { ulid } from 'ulid';

import type { Tenant } from '../../contracts/engine/ids';
import type { Now } from '../../runtime/server-clock';
import {
  scopeOfAction,
  shownAction,
  type ActionOf,
  type ApprovalAction,
  type ApprovalKind,
} from './actions';
import type { Principal } from '../http/authentication';
import { Problem, type ProblemCode } from '../http/errors';
import { isAnotherPerson, whyNotAnother, type People } from '../http/people';
import type { ApprovalRow, ApprovalsStore } from '../stores/approvals-store';
import { pendingMax } from '../stores/approvals-store';
import type { AuditStore } from '../stores/audit-store';
import type { TwoPersonRule } from './two-persons';

/** A person who asks or decides, in a tenant. */
export type Person = Pick<Principal, 'tenant' | 'subject' | 'people' | 'keyId' | 'scopes'>;

/** What two persons want, ready to be carried out. */
export interface Approved<Action> {
  readonly id: string;
  readonly tenant: Tenant;
  readonly askedBy: string;
  /** All the people who may stand behind the credential that asked. */
  readonly askedPeople: People;
  readonly approvedBy: string;
  readonly action: Action;
}

/**
 * Each handler carries out what was approved, one for each kind. It may be called again, in another process and at the
 * same time, until its success is recorded. Then it must detect that the action was done, and do nothing.
 *
 * A handler throws a Problem of `voiding` where the action has not happened and cannot happen any more. After any other
 * error it is called again.
 */
export type Handlers = {
  readonly [Kind in ApprovalKind]: (approved: Approved<ActionOf<Kind>>) => Promise<void>;
};

const voiding: readonly ProblemCode[] = [
  'not_found',
  'state_changed',
  'not_parked',
  'past_pivot',
  'already_ended',
  'nothing_to_book',
  'decision_not_offered',
  'failover_in_progress',
];

interface Parts {
  readonly store: ApprovalsStore;
  readonly audit: Pick<AuditStore, 'add'>;
  readonly handlers: Handlers;
  readonly now: Now;
}

/**
 * The two-person rule: one person asks, another person approves, and then the action is done once. The row holds all
 * that the action needs, so any process can continue where one has died. Nothing is done before both persons stand in
 * the audit.
 *
 * Every method throws Problem `not_found` (another tenant's, too) and `dependency_unavailable`.
 */
export function createApprovals({ store, audit, handlers, now }: Parts) {
  async function find({ tenant }: Pick<Person, 'tenant'>, id: string): Promise<ApprovalRow> {
    const row = await store.find(tenant, id);
    if (!row) throw new Problem('not_found');
    return row;
  }

  /**
   * Approves the question unless it is approved, and carries the action out unless that is done. A repeated call, by
   * the same person or by a third one, completes what was interrupted.
   *
   * @throws Problem `second_person_required`: the person asked, or may be the asker; `scope_missing`: the person could
   *   not have asked for it; `state_changed`: the question has expired or was rejected, its key is revoked, or what it
   *   is about has changed; also the error that kept the action from being done, which may be tried again.
   */
  async function approve(person: Person, id: string, note: string | null): Promise<ApprovalRow> {
    const question = await find(person, id);
    if (!isAnotherPerson(person.people, question.askedPeople)) throw notAnother(person, question);
    demandScope(person, question.action);
    if (question.state === 'pending') await store.approve(verdictOf(person, id, note));
    const row = question.state === 'pending' ? await find(person, id) : question;
    if (row.state === 'done') return row;
    if (row.state !== 'approved') throw closed(row);
    await carryOut(row);
    return find(person, id);
  }

  async function carryOut(row: ApprovalRow): Promise<void> {
    const approved = approvedOf(row);
    await audit.add({
      at: new Date(now()),
      tenant: row.tenant,
      actor: approved.approvedBy,
      operation: `approved ${row.action.kind}`,
      gid: row.gid,
      request: {
        approval: row.id,
        rule: row.rule,
        askedBy: approved.askedBy,
        askedPeople: approved.askedPeople,
        approvedBy: approved.approvedBy,
        action: shownAction(row.action),
      },
      outcome: 'acting',
    });
    try {
      await act(handlers, approved);
    } catch (error) {
      if (!(error instanceof Problem) || !voiding.includes(error.code)) throw error;
      await store.annul(row.id);
      throw new Problem('state_changed', {
        detail: `It was approved, and cannot be done any more: ${error.message}`,
        ...(row.gid !== null && { gid: row.gid }),
        cause: error,
      });
    }
    await store.finish(row.id);
  }

  /** Nothing will come of it. The asker may do so as well. @throws Problem `state_changed`: it was decided, or is void. */
  async function reject(person: Person, id: string, note: string | null): Promise<ApprovalRow> {
    const question = await find(person, id);
    if (question.state === 'rejected') return question;
    const isDecided =
      question.state === 'pending' && (await store.reject(verdictOf(person, id, note)));
    const row = await find(person, id);
    if (!isDecided) throw closed(row);
    return row;
  }

  return { find, approve, reject };
}
export type Approvals = ReturnType<typeof createApprovals>;

/**
 * Writes questions down; apart from what carries them out, which asks itself.
 * @param now begins their ids, and their lists are in the order of those, whichever process has asked.
 */
export function createAsking(store: Pick<ApprovalsStore, 'ask' | 'find'>, now: Now) {
  /**
   * @returns the question; that of the same person for the same thing while it is open.
   * @throws Problem `rate_limited`: too many wait already; `second_person_required`: the maker of the key that asks is
   *   unknown, so no one can be proven to be another person.
   */
  return async function ask(
    { tenant, subject, people, keyId }: Omit<Person, 'scopes'>,
    action: ApprovalAction,
    rule: TwoPersonRule,
  ): Promise<ApprovalRow> {
    if (!people)
      throw new Problem('second_person_required', {
        detail: whyNotAnother(people, null, `${subject} asks for it`),
      });
    const asker = { askedBy: subject, askedPeople: people, askedWith: keyId };
    const id = await store.ask({ id: ulid(now()), tenant, action, rule, ...asker });
    const row = id === undefined ? undefined : await store.find(tenant, id);
    if (row) return row;
    throw new Problem('rate_limited', {
      detail: `At most ${pendingMax} questions of a tenant wait for a second person.`,
      retryAfterSeconds: 60,
    });
  };
}
export type Ask = ReturnType<typeof createAsking>;

function act(handlers: Handlers, approved: Approved<ApprovalAction>): Promise<void> {
  const { action } = approved;
  switch (action.kind) {
    case 'decideStep':
      return handlers.decideStep({ ...approved, action });
    case 'bookStep':
      return handlers.bookStep({ ...approved, action });
    case 'createKey':
      return handlers.createKey({ ...approved, action });
    case 'failover':
      return handlers.failover({ ...approved, action });
    case 'watchPolicy':
      return handlers.watchPolicy({ ...approved, action });
  }
}

function approvedOf({ id, tenant, askedBy, askedPeople, decidedBy, action }: ApprovalRow) {
  if (decidedBy === null) throw new Error(`Nobody has approved ${id}.`); // The table's CHECK forbids it.
  return { id, tenant, askedBy, askedPeople, approvedBy: decidedBy, action };
}

const verdictOf = ({ tenant, subject, people }: Person, id: string, note: string | null) => ({
  ...{ tenant, id, by: subject, people, note },
});

/** Who could not ask for it does not approve it, either: the word of two persons is of two who may. */
function demandScope({ scopes }: Person, { kind }: ApprovalAction): void {
  const scope = scopeOfAction[kind];
  if (scopes.has(scope)) return;
  throw new Problem('scope_missing', {
    detail: `The scope ${scope} is needed, as it was to ask for it.`,
  });
}

const notAnother = ({ people }: Person, { askedBy, askedPeople, gid }: ApprovalRow): Problem =>
  new Problem('second_person_required', {
    detail: whyNotAnother(people, askedPeople, `${askedBy} has asked for it`),
    ...(gid !== null && { gid }),
  });

const closed = (row: ApprovalRow): Problem =>
  new Problem('state_changed', {
    detail: whyClosed(row),
    ...(row.gid !== null && { gid: row.gid }),
  });

function whyClosed({ state, expiresAt, decidedBy, isKeyGone }: ApprovalRow): string {
  switch (state) {
    case 'expired':
      return `Nobody has decided until ${expiresAt.toISOString()}: ask again.`;
    case 'void':
      return isKeyGone
        ? 'The key that asked has been revoked or has expired: ask again.'
        : 'What it is about has moved since: look again, and ask again.';
    case 'rejected':
      return `${decidedBy ?? 'Somebody'} has rejected it.`;
    case 'approved':
    case 'done':
      return `${decidedBy ?? 'Somebody'} has approved it.`;
    case 'pending':
      return 'It is still being asked.';
  }
}
