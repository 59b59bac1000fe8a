import { z } from 'zod';

import { shownAction, shownActionSchema } from './actions';
import { linkOf } from '../transactions/run-view';
import { time } from '../http/schemas';
import { approvalStates, type ApprovalRow } from '../stores/approvals-store';
import { twoPersonRules } from './two-persons';

/** A question to a second person, as callers see it. */
export const approvalSchema = z
  .object({
    id: z.string(),
    state: z.enum(approvalStates),
    /** Why one person is not enough. */
    rule: z.enum(twoPersonRules),
    action: shownActionSchema,
    askedBy: z.string(),
    askedAt: time,
    expiresAt: time,
    decidedBy: z.string().nullable(),
    decidedAt: time.nullable(),
    note: z.string().nullable(),
    /** When it was carried out, rejected, or found void. */
    closedAt: time.nullable(),
    links: z.object({ self: z.string(), transaction: z.string().nullable() }),
  })
  .meta({ id: 'Approval' });

export const approvalLinkOf = (id: string): string => `/v1/approvals/${id}`;

export const approvalViewOf = (row: ApprovalRow): z.input<typeof approvalSchema> => ({
  id: row.id,
  state: row.state,
  rule: row.rule,
  action: shownAction(row.action),
  askedBy: row.askedBy,
  askedAt: row.askedAt.toISOString(),
  expiresAt: row.expiresAt.toISOString(),
  decidedBy: row.decidedBy,
  decidedAt: row.decidedAt?.toISOString() ?? null,
  note: row.note,
  closedAt: row.closedAt?.toISOString() ?? null,
  links: { self: approvalLinkOf(row.id), transaction: row.gid === null ? null : linkOf(row.gid) },
});
