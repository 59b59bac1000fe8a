import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Registry } from 'prom-client';

import { listenError } from '../runtime/listening';

/** Where a process shows its metrics. */
export interface MetricsEndpoint {
  readonly port: number;
  close(): Promise<void>;
}

const variables = { host: 'METRICS_HOST', port: 'METRICS_PORT' } as const;

/**
 * Serves the registry at `/metrics`, and `/livez` for supervisors. Every other path is 404.
 * @throws ConfigurationError that names the variable, where the server cannot listen on that address.
 */
export async function serveMetrics(
  registry: Registry,
  listen: { readonly host: string; readonly port: number },
): Promise<MetricsEndpoint> {
  const server = createServer((request, response) => {
    if (request.url === '/livez') {
      response.end('ok\n');
    } else if (request.url === '/metrics') {
      void registry.metrics().then(
        (text) => response.setHeader('content-type', registry.contentType).end(text),
        () => response.writeHead(500).end(),
      );
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const told = listenError(error, { ...listen, variables });
      reject(told instanceof Error ? told : error);
    });
    server.listen(listen.port, listen.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port, // A TCP server that listens: an address, never a pipe's name or null.
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}
