/** Accord's own application: orders, accounts, inventory, coupons and payments, and the switch of its regions. */
import { defineApplication } from './engine/application';
import { regionFlows, shopFlows } from './flows';
import { shopParticipants } from './participants';
import { regions } from './regions/regions';

export const shop = defineApplication({
  participants: shopParticipants,
  unfenced: [regions],
  flows: [...shopFlows, ...regionFlows],
});
