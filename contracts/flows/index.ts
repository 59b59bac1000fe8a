/** The register of flows. A name, once used, stays: open transactions bear it. */
import { checkout } from './checkout';
import { failback } from './failback';
import { failover } from './failover';
import { order } from './order';
import { payment } from './payment';
import { refund } from './refund';
import { settlement } from './settlement';
import { transfer } from './transfer';

/** What customers' transactions are. */
export const shopFlows = [order, checkout, transfer, payment, refund, settlement] as const;
/** What operators do to a cluster: its name stands in the place of the tenant, and no tenant may have it. */
export const regionFlows = [failover, failback] as const;

export type ShopFlow = (typeof shopFlows)[number]['name'];

export const shopFlowNames: readonly ShopFlow[] = shopFlows.map(({ name }) => name);
/** Names of all flows. */
export const flowNames = [...shopFlowNames, ...regionFlows.map(({ name }) => name)] as const;
