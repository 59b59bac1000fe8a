/** Compares no token: who has lost the customer's lock writes all the same. */
import * as sound from '../../../activities/orders/customer-tokens';

export { raiseCustomerTokens } from '../../../activities/orders/customer-tokens';

export const lockCustomerTokens: typeof sound.lockCustomerTokens = async (sql, customers) => {
  const tokens = await sound.lockCustomerTokens(sql, customers);
  return new Map([...tokens.keys()].map((customer) => [customer, 0n]));
};
