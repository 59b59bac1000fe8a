/** How the business goes. It runs in Temporal's sandbox: it imports contracts alone. */
import { runFlow } from 'accord/workflow';

import { trip as flow } from './trip';

export { reconcile, recover, retention } from 'accord/workflow';

export const trip = runFlow(flow, {
  async run(tx, { hotelId, nights, flightId, seats, accountId, agencyId, cents }) {
    await tx.holdRoom({ hotelId, nights });
    await tx.seats({ flightId, seats });
    const { holdKey } = await tx.holdMoney({ accountId, cents });
    await tx.pay({ holdKey, payeeId: agencyId, cents });
    await tx.confirmRoom();
  },
});
