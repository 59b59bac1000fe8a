import { randomInt } from 'node:crypto';
import { Redis } from 'ioredis';

import { createAllowanceStore } from '../../../../activities/accounts/allowance-store';
import { firstBrokenSeq, type AuditRow } from '../../../../activities/accounts/payment-audit';
import {
  createVelocityMeter,
  type VelocityMeter,
} from '../../../../activities/accounts/risk-velocity';
import type { FaultPoints } from '../../../../runtime/faults/points';
import type { CaptureFunds } from '../../../../contracts/participants/accounts';
import type { AccountsActivities } from '../../../../contracts/participants';
import {
  stepKeyOf,
  type BusinessId,
  type Gid,
  type StepKey,
} from '../../../../contracts/engine/ids';
import { minorUnitsMax } from '../../../../contracts/engine/money';
import type {
  OpenPayment,
  RecordReview,
  ReserveRefund,
} from '../../../../contracts/participants/payments';
import type { RiskPolicy } from '../../../../contracts/participants/risk';
import { fencedAccounts, type FencedAccounts } from '../../../support/fenced-accounts';
import { testStack } from '../../../support/stack';

export const eur = (minorUnits: number) => ({ currency: 'EUR', minorUnits }) as const;

/** One window holds the whole test, whenever it runs; its length is this test's own, as its keys in Redis are. */
export const windowMs = 1e12 + randomInt(1e9);

/** Approves whatever is not asked for: each test turns on the rule that it is about. */
export const lenient: RiskPolicy = {
  reviewScore: 50,
  declineScore: 100,
  velocity: { windowMs, max: 10_000, score: 0 },
  amountLimits: { EUR: { review: minorUnitsMax, decline: minorUnitsMax } },
  newPayeeScore: 0,
};

export type Participant = AccountsActivities;

/** A payment on its way, with the requests of its steps as a story would send them. */
export interface OwnPayment {
  readonly gid: Gid;
  readonly open: OpenPayment;
  readonly key: (branch: string) => StepKey;
}

/** Payments between accounts of one test file. */
export interface OwnPayments {
  readonly bank: FencedAccounts;
  readonly redis: Redis;
  participant(wiring?: {
    readonly velocity?: VelocityMeter;
    readonly faults?: FaultPoints;
  }): Participant;
  /** A payment from a new customer with 1,000 to a new merchant, except for what `change` says. */
  payment(change?: Partial<OpenPayment>): Promise<OwnPayment>;
  /** Opened and assessed; answers with it. */
  assessed(change?: Partial<OpenPayment>, policy?: RiskPolicy): Promise<OwnPayment>;
  authorised(change?: Partial<OpenPayment>): Promise<OwnPayment>;
  completed(change?: Partial<OpenPayment>): Promise<OwnPayment>;
  /** Books what was authorised. */
  complete(own: OwnPayment): Promise<void>;
  /** Opened and given up. */
  failed(): Promise<OwnPayment>;
  row(paymentId: BusinessId): Promise<PaymentSeen | undefined>;
  audit(paymentId: BusinessId): Promise<readonly AuditRow[]>;
  /** Violations in books, sums of refunds, holds and audit. A sound database has none. */
  violations(): Promise<readonly unknown[]>;
  forgetKeys(pattern: string): Promise<void>;
  /** @throws where something is not sound: whatever the tests of a file have done together. */
  drop(): Promise<void>;
}

export interface PaymentSeen {
  readonly status: string;
  readonly captured: string;
  readonly refunding: string;
  readonly refunded: string;
  readonly charged_back: string;
}

let counter = 0;

export async function ownPayments(): Promise<OwnPayments> {
  const bank = await fencedAccounts();
  // Patient, unlike a worker's: a busy machine is not the outage that some tests are about.
  const redis = new Redis((await testStack()).redis.url, { commandTimeout: 10_000 });
  const meter = createVelocityMeter({
    allowances: createAllowanceStore({ redis }),
    unavailable: (error) => {
      throw error; // Redis is there: a test that counts in MySQL by accident proves nothing.
    },
  });
  const participant: OwnPayments['participant'] = ({ velocity = meter, faults } = {}) =>
    bank.participant({ velocity, ...(faults && { faults }) });
  const usual = participant();

  const payment = async (change: Partial<OpenPayment> = {}): Promise<OwnPayment> => {
    const paymentId = `acme.P-${(counter += 1)}`;
    const gid = `payment:${paymentId}`;
    const key = (branch: string) => stepKeyOf(gid, branch);
    const open: OpenPayment = {
      key: key('openPayment'),
      minEpoch: 0,
      paymentId,
      payerId: change.payerId ?? (await bank.customer(1_000)),
      payeeId: change.payeeId ?? (await bank.merchant()),
      amount: eur(100),
      description: 'Invoice 7',
      requestedBy: 'key-1',
      ...change,
    };
    return { gid, open, key };
  };
  const assessed = async (change?: Partial<OpenPayment>, policy = lenient): Promise<OwnPayment> => {
    const own = await payment(change);
    succeeded(await usual.openPayment([own.open]));
    succeeded(await usual.assessRisk([assessmentOf(own, policy)]));
    return own;
  };
  const authorised = async (change?: Partial<OpenPayment>): Promise<OwnPayment> => {
    const own = await assessed(change);
    succeeded(await usual.authorisePayment([stepOf(own, 'authorise')]));
    return own;
  };
  const complete = async (own: OwnPayment): Promise<void> => {
    succeeded(await usual.captureFunds([captureOf(own)]));
    succeeded(await usual.completePayment([stepOf(own, 'completePayment')]));
  };
  const violations = async (): Promise<readonly unknown[]> => {
    const found = await Promise.all([
      bank.violations(),
      ...oracles.map((sql) => bank.admin.select(sql)),
      brokenChains(bank),
    ]);
    return found.flat();
  };
  const forgetKeys = async (pattern: string): Promise<void> => {
    const keys = await redis.keys(pattern);
    if (keys.length > 0) await redis.del(...keys);
  };
  return {
    bank,
    redis,
    participant,
    payment,
    assessed,
    authorised,
    async completed(change) {
      const own = await authorised(change);
      await complete(own);
      return own;
    },
    complete,
    async failed() {
      const own = await payment();
      succeeded(await usual.openPayment([own.open]));
      succeeded(await usual.closePayment([own.open]));
      return own;
    },
    async row(paymentId) {
      const [row] = await bank.admin.select<PaymentSeen>(
        'SELECT status, captured, refunding, refunded, charged_back FROM payments WHERE payment_id = ?',
        [paymentId],
      );
      return row;
    },
    audit: (paymentId) =>
      bank.admin.select<AuditRow>('SELECT * FROM payment_audit WHERE payment_id = ? ORDER BY seq', [
        paymentId,
      ]),
    violations,
    forgetKeys,
    async drop() {
      const found = await violations();
      await forgetKeys(`*/${windowMs}/*`);
      redis.disconnect();
      await bank.drop();
      if (found.length > 0) throw new Error(JSON.stringify(found));
    },
  };
}

const oracles = [
  `SELECT 'R' AS oracle, p.payment_id FROM payments p LEFT JOIN (
     SELECT payment_id, SUM(IF(kind = 'refund' AND state = 'reserved', amount, 0)) AS reserved,
            SUM(IF(kind = 'refund' AND state = 'completed', amount, 0)) AS completed,
            SUM(IF(kind = 'chargeback' AND state = 'reserved', amount, 0)) AS charging,
            SUM(IF(kind = 'chargeback' AND state = 'completed', amount, 0)) AS charged
       FROM refunds GROUP BY payment_id) r
     ON r.payment_id = p.payment_id
     WHERE p.refunding <> COALESCE(r.reserved, 0) OR p.refunded <> COALESCE(r.completed, 0)
        OR p.charging_back <> COALESCE(r.charging, 0) OR p.charged_back <> COALESCE(r.charged, 0)`,
  `SELECT 'P' AS oracle, p.payment_id, p.status, h.state FROM payments p
     LEFT JOIN holds h ON h.gid = p.gid AND h.branch = p.hold_branch
     WHERE (p.status = 'completed') <> (COALESCE(h.state, '') = 'captured')
        OR (p.status IN ('pending', 'review', 'declined', 'failed') AND COALESCE(h.state, '') = 'held')`,
] as const;

async function brokenChains({ admin }: FencedAccounts): Promise<readonly unknown[]> {
  const payments = await admin.select<{
    payment_id: string;
    audit_seq: number;
    audit_head: Buffer;
  }>('SELECT payment_id, audit_seq, audit_head FROM payments');
  const rows = await admin.select<AuditRow>('SELECT * FROM payment_audit ORDER BY payment_id, seq');
  return payments.flatMap(({ payment_id, audit_seq, audit_head }) => {
    const own = rows.filter((row) => row.payment_id === payment_id);
    const seq = firstBrokenSeq(payment_id, own, { seq: audit_seq, hash: audit_head });
    return seq === undefined ? [] : [{ oracle: 'audit', payment_id, seq }];
  });
}

/** A set-up step that does not do what it should must not pass for the guarantee under test. */
function succeeded(verdicts: readonly { readonly ok: boolean }[]): void {
  if (!verdicts.every(({ ok }) => ok)) throw new Error(JSON.stringify(verdicts));
}

export const stepOf = ({ open, key }: OwnPayment, branch: string) => ({
  key: key(branch),
  minEpoch: 0,
  paymentId: open.paymentId,
  amount: open.amount,
});

export const assessmentOf = (own: OwnPayment, policy: RiskPolicy = lenient) => {
  const { payerId, payeeId, amount } = own.open;
  return { ...stepOf(own, 'assessRisk'), payerId, payeeId, amount, policy };
};

export const reviewOf = (own: OwnPayment, decision: RecordReview['decision']): RecordReview => ({
  ...stepOf(own, 'review'),
  decision,
  by: 'key-of-a-person',
  note: decision === 'reject' ? 'Looks wrong.' : null,
});

export const captureOf = (own: OwnPayment): CaptureFunds => ({
  key: own.key('transferFunds'),
  minEpoch: 0,
  holdKey: own.key('authorise'),
  payeeId: own.open.payeeId,
  amount: own.open.amount,
});

export const aRefund = (own: OwnPayment, change: Partial<ReserveRefund> = {}): ReserveRefund => {
  const refundId = change.refundId ?? `acme.R-${(counter += 1)}`;
  return {
    key: `refund:${refundId}/reserveRefund`,
    minEpoch: 0,
    refundId,
    paymentId: own.open.paymentId,
    amount: null,
    kind: 'refund',
    reason: 'Sent back.',
    requestedBy: 'key-2',
    ...change,
  };
};

export const siblingOf = (key: StepKey, branch: string): StepKey =>
  `${key.slice(0, key.lastIndexOf('/'))}/${branch}`;
