import { describe, expect, it } from '@jest/globals';

import {
  auditStart,
  chained,
  firstBrokenSeq,
  type AuditRow,
} from '../../../../activities/accounts/payment-audit';

const paymentId = 'acme.P-1';
const entry = (n: number) => ({
  at: new Date(1_790_000_000_000 + n),
  actor: 'key-1',
  what: 'payment.opened',
  details: { amount: String(n), currency: 'EUR' },
});
const rows = chained(paymentId, auditStart, [entry(1), entry(2), entry(3)]);
const head = rows[2] ?? auditStart;
const broken = (change: (rows: AuditRow[]) => readonly AuditRow[], of = head) =>
  firstBrokenSeq(paymentId, change([...rows]), of);
const withRow = (at: number, change: Partial<AuditRow>) => (all: readonly AuditRow[]) =>
  all.map((row, n) => (n === at ? { ...row, ...change } : row));

describe('the audit of a payment', () => {
  it('is sound as it was written, in one go or one by one', () => {
    expect(broken((all) => all)).toBeUndefined();
    const [first] = chained(paymentId, auditStart, [entry(1)]);
    expect(chained(paymentId, first ?? auditStart, [entry(2), entry(3)])).toEqual(rows.slice(1));
    expect(firstBrokenSeq(paymentId, [], auditStart)).toBeUndefined();
  });

  it('does not depend on the order of members: the database keeps its own', () => {
    expect(broken(withRow(0, { details: { currency: 'EUR', amount: '1' } }))).toBeUndefined();
  });

  it.each([
    ['actor', { actor: 'key-2' }],
    ['what', { what: 'payment.failed' }],
    ['time', { at: new Date(0) }],
    ['details', { details: { amount: '7', currency: 'EUR' } }],
    ['hash', { hash: Buffer.alloc(32, 7) }],
    ['previous hash', { prev_hash: Buffer.alloc(32, 7) }],
    ['payment', { payment_id: 'acme.P-2' }],
  ] as const)('tells where the %s was changed', (_, change) => {
    expect(broken(withRow(1, change))).toBe(2);
  });

  it('misses an entry that was taken out, at the start, in the middle, at the end', () => {
    expect(broken((all) => all.slice(1))).toBe(1);
    expect(broken((all) => all.toSpliced(1, 1))).toBe(2);
    expect(broken((all) => all.slice(0, 2))).toBe(3);
    expect(broken(() => [])).toBe(1);
  });

  it('notices an entry that was added, and a chain that was written anew', () => {
    const added = chained(paymentId, head, [entry(4)]);
    expect(broken((all) => [...all, ...added])).toBe(4);
    expect(broken(() => chained(paymentId, auditStart, [entry(1), entry(2), entry(9)]))).toBe(3);
  });
});
