import { connect, createServer, type AddressInfo } from 'node:net';

/** A real server under another name. */
export interface Pretender {
  /** The address with the pretender's host and port. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * A line to a real server that changes what it says of itself, in every answer. Both texts are equally long: protocols
 * count bytes. A server that is too old cannot be had everywhere.
 */
export async function pretending(url: string, said: string, instead: string): Promise<Pretender> {
  if (said.length !== instead.length)
    throw new RangeError(`${said} and ${instead} differ in length.`);
  const target = new URL(url);
  const listener = createServer((client) => {
    const server = connect(Number(target.port), target.hostname);
    client.pipe(server);
    server.on('data', (bytes: Buffer) => {
      client.write(Buffer.from(bytes.toString('latin1').replaceAll(said, instead), 'latin1'));
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo; // A TCP server that listens.
  const own = new URL(url);
  own.host = `127.0.0.1:${port}`;
  return {
    url: own.toString(),
    close: () => new Promise((resolve) => listener.close(() => resolve())),
  };
}
