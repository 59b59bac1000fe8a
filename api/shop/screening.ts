import type { CouponUse } from '../../contracts/participants/coupons';
import type { BusinessId } from '../../contracts/engine/ids';
import { moneyText, type Currency, type Money } from '../../contracts/engine/money';
import {
  isBookingUnderWay,
  type bookingUnderWay,
  type RefundKind,
} from '../../contracts/participants/payments';
import { withinDeadline } from '../http/deadline';
import { dependencyUnavailable, Problem, type FieldError } from '../http/errors';
import { fault } from '../http/refusals';
import type { AccountViewsStore } from './stores/account-views-store';
import type { CouponViewsStore } from './stores/coupon-views-store';
import type { PaymentViewsStore } from './stores/payment-views-store';

/** After how many seconds it is worth asking again for a payment whose money may still be booked. */
const againSeconds: Readonly<Record<(typeof bookingUnderWay)[number], number>> = {
  pending: 1,
  authorised: 1,
  review: 60, // A person decides.
};

/** Time limit for a participant's database: the caller that starts a transaction waits for it. */
const answerMs = 500;

/** An account that a request names, and where. */
interface NamedAccount {
  readonly pointer: string;
  readonly id: BusinessId;
}

interface Screened {
  readonly accountViews: Pick<AccountViewsStore, 'standings'>;
  readonly couponViews: CouponViewsStore;
  readonly paymentViews: Pick<PaymentViewsStore, 'balance'>;
}

/**
 * Looks at what a start names before it is accepted, so that bad input is told by field and nothing is written. The
 * participant decides all the same, under its lock: where its database does not answer in time, nothing is found here.
 *
 * @param onSkipped is told of each look that could not be made.
 */
export function createScreening(
  { accountViews, couponViews, paymentViews }: Screened,
  onSkipped: (error: unknown) => void,
) {
  /** @returns `away`: it cannot be asked now. */
  async function asked<Answer>(look: () => Promise<Answer>): Promise<Answer | 'away'> {
    try {
      return await withinDeadline(answerMs, look, () => dependencyUnavailable('mysql'));
    } catch (error) {
      if (!(error instanceof Problem && error.code === 'dependency_unavailable')) throw error;
      onSkipped(error);
      return 'away';
    }
  }

  return {
    /** Each account is there, open, and of this currency. */
    async accounts(
      named: readonly NamedAccount[],
      currency: Currency,
    ): Promise<readonly FieldError[]> {
      const standings = await asked(() => accountViews.standings(named.map(({ id }) => id)));
      if (standings === 'away') return [];
      return named.flatMap(({ pointer, id }) => {
        const standing = standings.find((one) => one.accountId === id);
        if (!standing) return fault(pointer, 'account_unknown', 'there is no such account');
        if (standing.status === 'closed') return fault(pointer, 'account_closed', 'is closed');
        if (standing.currency === currency) return [];
        return fault(pointer, 'currency_differs', `is an account of ${standing.currency}`);
      });
    },

    /** The coupon is there, still good for this customer, and takes off what the amount leaves of the sum. */
    async coupon({
      coupon: { couponId, discount, isWholePrice },
      customerId,
    }: {
      readonly coupon: CouponUse;
      readonly customerId: BusinessId;
    }): Promise<readonly FieldError[]> {
      const coupon = await asked(() => couponViews.find(couponId));
      if (coupon === 'away') return [];
      const at = '/couponCode';
      if (!coupon) return [fault(at, 'coupon_unknown', 'there is no such coupon')];
      if (coupon.customerId !== null && coupon.customerId !== customerId) {
        return [fault(at, 'coupon_foreign', 'belongs to another customer')];
      }
      if (coupon.isExpired) return [fault(at, 'coupon_expired', 'has expired')];
      if (coupon.currency !== discount.currency) {
        return [fault(at, 'currency_differs', `is a coupon of ${coupon.currency}`)];
      }
      const more = BigInt(coupon.discountMinor) - BigInt(discount.minorUnits);
      if (more === 0n || (isWholePrice === true && more > 0n)) return [];
      const taken = moneyText({ currency: coupon.currency, minorUnits: coupon.discountMinor });
      const differs = `the coupon takes off ${taken}, not ${moneyText(discount)}`;
      return [fault('/payment/amount/minorUnits', 'sum_differs', differs)];
    },

    /**
     * The payment was captured, in this currency, and so much of it is left; `null`: anything. What the payer's bank has
     * taken is booked whatever is left.
     */
    async refund(
      paymentId: BusinessId,
      kind: RefundKind,
      amount: Money | null,
    ): Promise<readonly FieldError[]> {
      const payment = await asked(() => paymentViews.balance(paymentId));
      if (payment === 'away') return [];
      if (!payment) throw new Problem('not_found'); // What a path names is not there, as everywhere.
      if (isBookingUnderWay(payment.status)) {
        throw new Problem('not_yet', {
          detail: `The payment is ${payment.status}: its money has not been booked yet.`,
          retryAfterSeconds: againSeconds[payment.status],
        });
      }
      if (payment.status !== 'completed') {
        return [fault(':id', 'payment_not_completed', `the payment is ${payment.status}`)];
      }
      if (amount && amount.currency !== payment.currency) {
        return [
          fault('/amount/currency', 'currency_differs', `the payment was ${payment.currency}`),
        ];
      }
      if (kind === 'chargeback' && amount) return [];
      const left = BigInt(payment.leftMinor);
      if (BigInt(amount?.minorUnits ?? 1) <= left) return [];
      const still = `${moneyText({ currency: payment.currency, minorUnits: left > 0n ? left : 0n })} are left`;
      return [fault(amount ? '/amount/minorUnits' : '/amount', 'over_refunded', still)];
    },
  };
}
export type Screening = ReturnType<typeof createScreening>;
