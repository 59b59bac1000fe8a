import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startNatively } from '../../testing/stack/bring-up';
import { freePort } from '../../runtime/ports';
import { ownedProcess, signal, stopProcess } from '../../testing/stack/process';
import { lineProgress } from '../../testing/stack/progress';
import { mysql } from '../../testing/stack/servers/mysql';
import type { Server } from '../../testing/stack/servers/server';

/** A MySQL of one test file alone: what it is told, no other test hears. */
export interface OwnMySql {
  readonly adminUrl: string;
  /** Where it keeps its data. */
  readonly data: string;
  /** Dead at once, as by a fault. */
  kill(): Promise<void>;
  /** Starts a killed server again, on its data and with its first options. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * @param flags for `mysqld`, beside and above those of every stack: `--sql-mode=ANSI_QUOTES`.
 * @param server left out: one that is in no region.
 */
export async function ownMySql(
  flags: readonly string[],
  server: Server = mysql,
): Promise<OwnMySql> {
  const folder = mkdtempSync(join(tmpdir(), 'accord-mysql-'));
  const progress = lineProgress(() => undefined);
  const context = {
    ...{ profile: 'test' as const, folder, progress },
    ports: { [server.name]: await freePort() },
    passwords: { mysql: 'own', redis: '' },
  };
  const program = await Promise.resolve()
    .then(() => server.findOnPath())
    .catch(() => server.fetch(progress));
  const launch: typeof server.launch = (given) => {
    const { args, ...rest } = server.launch(given);
    return { ...rest, args: [...args, '--innodb-buffer-pool-size=64M', ...flags] };
  };
  const start = () => startNatively({ ...server, launch }, context, program);
  await start();
  const stop = async (killAfterMs: number): Promise<void> => {
    await stopProcess(folder, server.name, { killAfterMs });
  };
  return {
    adminUrl: server.addressOf(context),
    data: join(folder, 'data', server.name),
    async kill() {
      const running = ownedProcess(folder, server.name);
      if (running) signal(running, 'SIGKILL');
      await stop(1_000);
    },
    start,
    async stop() {
      await stop(1_000);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
