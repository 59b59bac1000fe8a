import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';

import { exchange } from '../../../../activities/regions/json-line';
import { serveLines } from '../../../../runtime/json-lines';
import { eventually } from '../../../support/eventually';

const servers: { readonly server: Server; readonly sockets: Set<Socket> }[] = [];
afterEach(async () => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  }
});

/** @returns its address, and how many connections are open now. */
async function serverThat(meets: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    meets(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push({ server, sockets });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, server, sockets };
}

describe('an order of one line', () => {
  it('is answered by one line, whatever stands in it and however it is cut on its way', async () => {
    const { address } = await serverThat((socket) =>
      serveLines(socket, (order) => Promise.resolve({ obeyed: order })),
    );
    const order = { text: 'Zürich\n"quoted" 🂡', big: 'x'.repeat(10_000) };
    expect(await exchange(address, order, 5_000)).toEqual({ obeyed: order });
    const slow = await serverThat((socket) => {
      socket.write('{"ok"');
      setImmediate(() => socket.end(':true}\n'));
    });
    expect(await exchange(slow.address, {}, 5_000)).toEqual({ ok: true });
  });

  it('is obeyed once by its server, however often the answer is asked for elsewhere', async () => {
    const obeyed: unknown[] = [];
    const { address } = await serverThat((socket) =>
      serveLines(socket, (order) => ({ number: obeyed.push(order) })),
    );
    const answers = await Promise.all([1, 2, 3].map((n) => exchange(address, { n }, 5_000)));
    expect(obeyed).toHaveLength(3);
    expect(answers).toEqual(expect.arrayContaining([{ number: 1 }, { number: 2 }, { number: 3 }]));
  });

  it.each([
    ['is no JSON', 'kill\n'],
    ['has no end', '1'.repeat(20_000)],
  ])('that %s is obeyed as nothing that could be meant', async (_what, text) => {
    const orders: unknown[] = [];
    const { address } = await serverThat((socket) =>
      serveLines(socket, (order) => {
        orders.push(typeof order);
        return { ok: false };
      }),
    );
    const client = connect(Number(address.split(':')[1]), '127.0.0.1');
    client.setEncoding('utf8').write(text);
    const [answer] = (await once(client, 'data')) as [string];
    client.destroy();
    expect(JSON.parse(answer)).toEqual({ ok: false });
    expect(orders).not.toContain('object');
  });

  it('fails in time where nobody answers, and leaves no connection behind', async () => {
    const { address, sockets } = await serverThat((socket) => void socket.resume());
    await expect(exchange(address, {}, 30)).rejects.toThrow(
      `${address} does not answer within 30 ms.`,
    );
    await eventually(() => sockets.size === 0);
  });

  it.each([
    ['nothing', ''],
    ['half an answer', '{"ok":'],
    ['something else', 'HTTP/1.1 400 Bad Request\n'],
  ])('fails where it is answered with %s: it may have been obeyed', async (_what, answer) => {
    const { address } = await serverThat((socket) => socket.end(answer));
    await expect(exchange(address, {}, 5_000)).rejects.toThrow(/gave no answer|ECONNRESET/);
  });

  it('fails where nobody listens', async () => {
    const { address, server } = await serverThat(() => undefined);
    servers.pop();
    server.close();
    await once(server, 'close');
    await expect(exchange(address, {}, 5_000)).rejects.toThrow('ECONNREFUSED');
  });
});
