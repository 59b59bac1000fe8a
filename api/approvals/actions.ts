import { z } from 'zod';

import type { Gid } from '../../contracts/engine/ids';
import { failoverKinds } from '../../contracts/regions/regions';
import { decisions } from '../../contracts/engine/transaction';
import { atRiskSchema, evidenceSchema } from '../transactions/run-view';
import { realms } from '../http/realms';
import { scopes, type Scope } from '../http/scopes';
import { watchPolicySchema } from '../regions/watch-policy-schema';

/** A decision on the step that a run is parked at. */
const decideStep = z.object({
  kind: z.literal('decideStep'),
  gid: z.string(),
  /** Version of the row that the asking person saw. */
  version: z.number(),
  step: z.string(),
  decision: z.enum(decisions),
  evidence: evidenceSchema.nullable(),
  atRisk: z.array(atRiskSchema),
});

/** A person says that the amounts of a skipped step are booked. */
const bookStep = z.object({
  kind: z.literal('bookStep'),
  gid: z.string(),
  /** Version of the row of the ended run that the asking person saw. */
  version: z.number(),
  step: z.string(),
  evidence: evidenceSchema,
  amounts: z.array(atRiskSchema),
});

/** A new key of the asker's tenant or cluster. */
const createKey = z.object({
  kind: z.literal('createKey'),
  keyId: z.string(),
  realm: z.enum(realms),
  owner: z.string(),
  scopes: z.array(z.enum(scopes)),
  expiresAt: z.iso.datetime().nullable(),
});

/** A switch of regions, for the cluster as the asker saw it. */
const failover = z.object({
  kind: z.literal('failover'),
  /** That it will bear. */
  gid: z.string(),
  failover: z.enum(failoverKinds),
  from: z.string(),
  to: z.string(),
  reason: z.string(),
  /** Accepted loss, in milliseconds of writes. */
  acceptLoss: z.number(),
  force: z.boolean(),
  sequence: z.number(),
  epoch: z.number(),
});

/** What the watch may do by itself, where it may act: in the place of what the asker has seen. */
const watchPolicy = z.object({
  kind: z.literal('watchPolicy'),
  /** Version of the policy that the asking person saw; 0: it was never changed. */
  version: z.number(),
  policy: watchPolicySchema,
  seen: watchPolicySchema,
});

/** What an approver is shown. */
export const shownActionSchema = z.discriminatedUnion('kind', [
  decideStep,
  bookStep,
  createKey,
  failover,
  watchPolicy,
]);
export type ShownAction = z.output<typeof shownActionSchema>;

/**
 * What two persons may want, by its kind: whatever is needed to do it later, without the one who asked. A new kind is
 * entered here, in the handlers of `createApprovals`, and where the compiler says.
 */
export const approvalActionSchema = z.discriminatedUnion('kind', [
  decideStep,
  bookStep,
  createKey.extend({
    realm: z.enum(realms).default('tenant'), // Left out by an older build, whose keys were of tenants.
    secretSha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  failover,
  watchPolicy,
]);
export type ApprovalAction = z.output<typeof approvalActionSchema>;
export type ApprovalKind = ApprovalAction['kind'];
export type ActionOf<Kind extends ApprovalKind> = Extract<ApprovalAction, { kind: Kind }>;

/** What a credential needs to ask for an action, and beside `ops:approve` to approve it. */
export const scopeOfAction: Readonly<Record<ApprovalKind, Scope>> = {
  decideStep: 'ops:resolve',
  bookStep: 'ops:resolve',
  createKey: 'admin:keys',
  failover: 'ops:failover',
  watchPolicy: 'ops:failover',
};

/** Those that this build can carry out: during a deploy another one may have asked for more. */
export const approvalKinds: readonly ApprovalKind[] = approvalActionSchema.options.map(
  ({ shape }) => shape.kind.value,
);

/**
 * The transaction that an action is about, as its asker saw it; `null`: it is about none. Without a version it is one
 * that does not exist yet.
 */
export function subjectOf(
  action: ApprovalAction,
): { readonly gid: Gid; readonly version: number | null } | null {
  switch (action.kind) {
    case 'decideStep':
    case 'bookStep':
      return { gid: action.gid, version: action.version };
    case 'createKey':
    case 'watchPolicy':
      return null;
    case 'failover':
      return { gid: action.gid, version: null };
  }
}

/** The action as people may see it: the digest of a new key's secret is left out. */
export function shownAction(action: ApprovalAction): ShownAction {
  if (action.kind !== 'createKey') return action;
  const { kind, keyId, realm, owner, scopes: granted, expiresAt } = action;
  return { kind, keyId, realm, owner, scopes: granted, expiresAt };
}
