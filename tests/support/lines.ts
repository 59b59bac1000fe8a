import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP line to a real server, in between. */
export interface Line {
  readonly port: number;
  /** Ends every connection. */
  close(): Promise<void>;
}

export interface Ends {
  /** Where it listens. */
  readonly at: string;
  readonly to: { readonly host: string; readonly port: number };
  /** What the client gets in the place of what the server said; left out: the same. */
  readonly said?: (bytes: Buffer) => Buffer;
}

/** @throws the error of `listen`, such as EADDRNOTAVAIL. */
export async function openLine({ at, to, said = (bytes) => bytes }: Ends): Promise<Line> {
  const clients = new Set<Socket>();
  const listener = createServer((client) => {
    const server = connect(to.port, to.host);
    clients.add(client);
    client.once('close', () => clients.delete(client));
    client.pipe(server);
    server.on('data', (bytes: Buffer) => client.write(said(bytes)));
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(0, at, resolve);
  });
  return {
    port: (listener.address() as AddressInfo).port, // A TCP server that listens.
    close: () =>
      new Promise((resolve) => {
        listener.close(() => resolve());
        for (const client of clients) client.destroy();
      }),
  };
}
