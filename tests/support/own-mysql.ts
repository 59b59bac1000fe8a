import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startNatively } from '../../scripts/stack/bring-up';
import { freePort } from '../../scripts/stack/ports';
import { stopProcess } from '../../scripts/stack/process';
import { lineProgress } from '../../scripts/stack/progress';
import { mysql } from '../../scripts/stack/servers/mysql';

/** A MySQL of one test file alone: what it is told, no other test hears. */
export interface OwnMySql {
  readonly adminUrl: string;
  stop(): Promise<void>;
}

/** @param flags for `mysqld`, beside and above those of every stack: `--sql-mode=ANSI_QUOTES`. */
export async function ownMySql(flags: readonly string[]): Promise<OwnMySql> {
  const folder = mkdtempSync(join(tmpdir(), 'accord-mysql-'));
  const progress = lineProgress(() => undefined);
  const context = {
    ...{ profile: 'test' as const, folder, progress },
    ports: { mysql: await freePort() },
    passwords: { mysql: 'own', redis: '' },
  };
  const program = await Promise.resolve()
    .then(() => mysql.findOnPath())
    .catch(() => mysql.fetch(progress));
  const launch: typeof mysql.launch = (given) => {
    const { args, ...rest } = mysql.launch(given);
    return { ...rest, args: [...args, '--innodb-buffer-pool-size=64M', ...flags] };
  };
  await startNatively({ ...mysql, launch }, context, program);
  return {
    adminUrl: mysql.addressOf(context),
    async stop() {
      await stopProcess(folder, mysql.name, { killAfterMs: 1_000 });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
