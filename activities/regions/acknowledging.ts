/** Whether the active region acknowledges alone follows the hub's row, never the other way round. */
import type { HubStore } from './hub-row';
import { acknowledgeAlone, acknowledgeTogether, withRegion } from './mysql-region';

const orderMs = 2_000;

/**
 * Lets the active region acknowledge alone, where the hub's row says so by now. An attempt that was held up behind its own
 * change of the row may find that a region stands by again: what is acknowledged without it then, a switch would lose.
 */
export async function actAlone(hub: Pick<HubStore, 'read'>, activeUrl: string): Promise<void> {
  if ((await hub.read()).sync) return;
  await withRegion(activeUrl, orderMs, acknowledgeAlone);
  if ((await hub.read()).sync) await withRegion(activeUrl, orderMs, acknowledgeTogether);
}
