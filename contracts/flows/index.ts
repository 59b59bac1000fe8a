/** The register of flows. A name that was used stays, because open transactions have it. */
import { checkout } from './checkout';
import { failback } from '../regions/failback';
import { failover } from '../regions/failover';
import { order } from './order';
import { payment } from './payment';
import { refund } from './refund';
import { settlement } from './settlement';
import { transfer } from './transfer';

/** Flows of customers' transactions. */
export const shopFlows = [order, checkout, transfer, payment, refund, settlement] as const;
/** Flows of operators on a cluster. The cluster's name takes the place of the tenant, so no tenant may have it. */
export const regionFlows = [failover, failback] as const;

export type ShopFlow = (typeof shopFlows)[number]['name'];

export const shopFlowNames: readonly ShopFlow[] = shopFlows.map(({ name }) => name);
/** Names of all flows. */
export const flowNames = [...shopFlowNames, ...regionFlows.map(({ name }) => name)] as const;
