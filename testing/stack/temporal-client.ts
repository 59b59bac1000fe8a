import { Connection } from '@temporalio/client';

import { givenAddresses, givenTemporal } from './config';

/** The key of the shell is for the service that the shell names: our own server speaks plain. */
export const temporalKeyFor = (address: string): string | undefined =>
  address === givenAddresses().temporal ? givenTemporal().apiKey : undefined;

interface Options {
  /** Milliseconds; the SDK's ten seconds where it is left out. */
  readonly connectTimeout?: number;
  /** Left out: that of the shell, where the address is the shell's. */
  readonly apiKey?: string | undefined;
}

/** A connection to a Temporal service of ours, directly and plain, or to a given one, with its key by TLS. */
export function connectTemporal(
  address: string,
  { connectTimeout, apiKey = temporalKeyFor(address) }: Options = {},
): Promise<Connection> {
  return Connection.connect({
    address,
    ...(connectTimeout !== undefined && { connectTimeout }),
    ...(apiKey !== undefined && { apiKey, tls: true }),
    channelArgs: { 'grpc.enable_http_proxy': 0 }, // As the workers, whose client knows no proxy.
  });
}
