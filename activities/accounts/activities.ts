import { accounts } from '../../contracts/participants';
import { implement } from '../fence/implement';
import { captureFunds, holdFunds, releaseFunds } from './accounts-store';
import { cancelCredit, confirmCredit, reserveCredit } from './credits';
import { confirmDebit, reserveDebit } from './debits';
import { authorisePayment, voidAuthorisation } from './payments-authorisation';
import { closePayment, completePayment, openPayment } from './payments-opening';
import { recordReview, withdrawReview } from './payments-reviews';
import { recordRefundReview, withdrawRefundReview } from './refunds-reviews';
import { cancelRefund, completeRefund, reserveRefund } from './refunds-store';
import { assessRisk, clearRisk } from './risk-assessment';
import type { VelocityMeter } from './risk-velocity';
import { claimSettlementPage, closeSettlement, openSettlement } from './settlements';

/** Participant `accounts`, over the fence of its database. */
export const createAccounts = (velocity: VelocityMeter) =>
  implement(accounts, {
    ...{ holdFunds, releaseFunds, captureFunds },
    ...{ reserveDebit, confirmDebit, reserveCredit, confirmCredit, cancelCredit },
    ...{ openPayment, closePayment, completePayment },
    ...{ assessRisk: assessRisk(velocity), clearRisk: clearRisk(velocity) },
    ...{ recordReview, withdrawReview, authorisePayment, voidAuthorisation },
    ...{ reserveRefund, cancelRefund, completeRefund, recordRefundReview, withdrawRefundReview },
    ...{ openSettlement, claimSettlementPage, closeSettlement },
  });
