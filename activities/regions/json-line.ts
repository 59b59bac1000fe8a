/** Orders to processes of a cluster: one line of JSON as the request, one as the answer, on a connection of its own. */
import { connect } from 'node:net';

/**
 * @param address `host:port`; an IPv6 address stands in brackets.
 * @throws an error of the connection. The order may have been obeyed.
 */
export function exchange(address: string, order: unknown, withinMs: number): Promise<unknown> {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  const socket = connect(Number(address.slice(at + 1)), host);
  socket.setEncoding('utf8').setTimeout(withinMs, () => {
    socket.destroy(new Error(`${address} does not answer within ${withinMs} ms.`));
  });
  return new Promise((resolve, reject) => {
    let text = '';
    socket.once('error', reject);
    socket.on('data', (chunk: string) => (text += chunk));
    socket.once('end', () => {
      try {
        resolve(JSON.parse(text));
      } catch (error) {
        reject(new Error(`${address} gave no answer.`, { cause: error }));
      }
    });
    socket.write(`${JSON.stringify(order)}\n`);
  });
}
