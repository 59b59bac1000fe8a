import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '../../../../runtime/ports';
import { createHttpClient } from '../../http-client';
import type { Arm } from '../arm';
import { createBooks } from '../bank';
import { peerPackages, peers, platform } from '../packages';
import { answersAt, isListening, playOver, serviceProgram, start, transferOf } from '../program';

const [server, service] = ['peer-restate-server', 'peer-restate-service'];

/** One server with its own defaults, and one service. */
export const restate: Arm = {
  name: 'restate',
  title: 'the saga guide of Restate: a handler, each branch a step of its journal',
  inFlight: 128, // 121/s at 4, 195 at 16, 240 at 64, 319 at 128, 271 at 256: its server writes in batches.
  async open({ stack, run, say, atEnd }) {
    const packages = await peerPackages(say);
    const books = await createBooks(stack.mysql.adminUrl, `bench_restate_${run}`, atEnd);
    const folder = mkdtempSync(join(tmpdir(), 'accord-bench-restate-'));
    atEnd(() => rmSync(folder, { recursive: true, force: true }));
    const http = createHttpClient();
    atEnd(() => http.close());
    const [port, ingress, admin, node] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const env = {
      RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
      RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
      RESTATE_DISABLE_TELEMETRY: 'true',
      RUST_LOG: 'warn',
    };
    await start(
      stack,
      {
        ...{ name: server, env },
        file: join(
          ...[packages, 'node_modules', '@restatedev'],
          `restate-server-${platform}`,
          ...['bin', 'restate-server'],
        ),
        args: ['--base-dir', folder, '--listen-mode', 'tcp', '--no-logo'],
        isReady: answersAt(http, `http://127.0.0.1:${admin}/health`),
      },
      atEnd,
    );
    const told = { BANK_URL: books.url, PORT: String(port), PACKAGES: packages };
    await start(
      stack,
      serviceProgram('restate', service, told, () => isListening(port)),
      atEnd,
    );
    const { status, text } = await http.call('POST', `http://127.0.0.1:${admin}/deployments`, {
      body: { uri: `http://127.0.0.1:${port}` },
    });
    if (status !== 201) throw new Error(`Restate took no deployment: ${status} ${text}`);
    const url = `http://127.0.0.1:${ingress}/transfers/move`;
    return {
      version: `Restate ${peers['@restatedev/restate-server']}, SDK ${peers['@restatedev/restate-sdk']}`,
      processes: [server, service, 'mysql'],
      play(at) {
        const transfer = transferOf(run, at);
        return playOver(http, url, transfer, { 'idempotency-key': transfer.id });
      },
      check: (played) => books.check(played),
    };
  },
};
