import type { ApprovalRow, ApprovalsStore } from '../../../api/stores/approvals-store';
import { subjectOf } from '../../../api/approvals/actions';

/** Questions in memory; `rows` can be bent. */
export function fakeApprovals(): ApprovalsStore & { readonly rows: Map<string, ApprovalRow> } {
  const rows = new Map<string, ApprovalRow>();
  const own = (tenant: string) => [...rows.values()].filter((row) => row.tenant === tenant);
  const close = (id: string, was: ApprovalRow['state'], change: Partial<ApprovalRow>): boolean => {
    const row = rows.get(id);
    if (row?.state !== was) return false;
    rows.set(id, { ...row, ...change });
    return true;
  };
  return {
    rows,
    ask: (question) => {
      rows.set(
        question.id,
        anApproval({ ...question, gid: subjectOf(question.action)?.gid ?? null }),
      );
      return Promise.resolve(question.id);
    },
    find: (tenant, id) => Promise.resolve(own(tenant).find((row) => row.id === id)),
    findKeyAsked: (tenant, keyId) =>
      Promise.resolve(
        own(tenant).find(({ action }) => action.kind === 'createKey' && action.keyId === keyId),
      ),
    list: (tenant, _, limit) => Promise.resolve(own(tenant).slice(0, limit)),
    approve: ({ id, by, note }) => {
      const decision = { decidedBy: by, decidedAt: new Date(), note };
      return Promise.resolve(close(id, 'pending', { state: 'approved', ...decision }));
    },
    reject: ({ id, by, note }) => {
      const decision = { decidedBy: by, decidedAt: new Date(), note };
      return Promise.resolve(close(id, 'pending', { state: 'rejected', ...decision }));
    },
    finish: (id) => Promise.resolve(void close(id, 'approved', { state: 'done' })),
    annul: (id) => Promise.resolve(void close(id, 'approved', { state: 'void' })),
  };
}

export const anApproval = (more: Partial<ApprovalRow> = {}): ApprovalRow => ({
  id: 'Q-1',
  tenant: 'acme',
  gid: 'order:acme.O-1',
  action: {
    kind: 'decideStep',
    gid: 'order:acme.O-1',
    version: 3,
    step: 'holdFunds',
    decision: 'skip',
    evidence: { kind: 'ticket', ref: 'OPS-1', note: null },
    atRisk: [{ kind: 'hold', currency: 'EUR', minorUnits: 1250 }],
  },
  rule: 'skips_money',
  askedBy: 'alice',
  askedPeople: ['alice'],
  askedWith: null,
  isKeyGone: false,
  askedAt: new Date('2026-01-01T00:00:00.000Z'),
  expiresAt: new Date('2026-01-01T00:30:00.000Z'),
  state: 'pending',
  decidedBy: null,
  decidedAt: null,
  note: null,
  closedAt: null,
  ...more,
});
