/** Orders to the router, one JSON line each on a connection of its own. */
import { exchange } from './json-line';
import { routerAnswerSchema, type RouterOrder, type RouteView } from './router-protocol';

/** The router has obeyed a later epoch, so the sender of this order no longer decides. */
export class RouterEpochOver extends Error {
  override readonly name = 'RouterEpochOver';
  constructor(readonly epoch: number) {
    super(`The router has obeyed epoch ${epoch} already.`);
  }
}

/** An order takes milliseconds, because it waits for no other process. */
const answerWithinMs = 1_000;

/**
 * @param address `host:port` of its control.
 * @returns the routes as they are now: those of the order, or all.
 * @throws RouterEpochOver; an error of the connection: then the order may have been obeyed. Safe to repeat.
 */
export async function askRouter(
  address: string,
  order: RouterOrder,
): Promise<readonly RouteView[]> {
  const answer = routerAnswerSchema.parse(await exchange(address, order, answerWithinMs));
  if (answer.ok) return answer.routes;
  if (answer.epoch !== undefined) throw new RouterEpochOver(answer.epoch);
  throw new Error(`The router has refused: ${answer.error}`);
}
