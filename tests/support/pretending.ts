import { openLine } from './lines';

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
  const { hostname: host, port } = new URL(url);
  const line = await openLine({
    at: '127.0.0.1',
    to: { host, port: Number(port) },
    said: (bytes) => Buffer.from(bytes.toString('latin1').replaceAll(said, instead), 'latin1'),
  });
  const own = new URL(url);
  own.host = `127.0.0.1:${line.port}`;
  return { url: own.toString(), close: () => line.close() };
}
