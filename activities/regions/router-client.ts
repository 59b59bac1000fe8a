/** Orders to the router, one JSON line each on a connection of its own. */
import { connect } from 'node:net';

import {
  routerAnswerSchema,
  type RouterAnswer,
  type RouterOrder,
  type RouteView,
} from '../../contracts/regions';

/** The router has obeyed a later epoch: whoever ordered this is no longer the one who decides. */
export class RouterEpochOver extends Error {
  override readonly name = 'RouterEpochOver';
  constructor(readonly epoch: number) {
    super(`The router has obeyed epoch ${epoch} already.`);
  }
}

/** An order takes milliseconds: it waits for nobody. */
const answerWithinMs = 1_000;

/**
 * @param address `host:port` of its control.
 * @returns the routes as they are now: those of the order, or all.
 * @throws RouterEpochOver; an error of the connection, after which the order may have been obeyed. Safe to repeat.
 */
export async function askRouter(
  address: string,
  order: RouterOrder,
): Promise<readonly RouteView[]> {
  const answer = await exchange(address, order);
  if (answer.ok) return answer.routes;
  if (answer.epoch !== undefined) throw new RouterEpochOver(answer.epoch);
  throw new Error(`The router has refused: ${answer.error}`);
}

function exchange(address: string, order: RouterOrder): Promise<RouterAnswer> {
  const at = address.lastIndexOf(':');
  const socket = connect(Number(address.slice(at + 1)), address.slice(0, at));
  socket.setEncoding('utf8').setTimeout(answerWithinMs, () => {
    socket.destroy(new Error(`The router at ${address} does not answer.`));
  });
  return new Promise((resolve, reject) => {
    let text = '';
    socket.once('error', reject);
    socket.on('data', (chunk: string) => (text += chunk));
    socket.once('end', () => {
      try {
        resolve(routerAnswerSchema.parse(JSON.parse(text)));
      } catch (error) {
        reject(new Error(`The router at ${address} gave no answer.`, { cause: error }));
      }
    });
    socket.write(`${JSON.stringify(order)}\n`);
  });
}
