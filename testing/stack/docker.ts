import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { findProgram, runCommand } from './command';
import { checkout, environmentWith } from './config';
import type { Profile, ServerName } from './profile';
import type { Context } from './servers/server';

const composeFile = join(checkout, 'docker-compose.yml');
const upTimeoutMs = 10 * 60_000; // Images may have to be pulled.
const otherTimeoutMs = 90_000;

/** One Compose project for each checkout and profile: two checkouts share nothing. */
const projectOf = (profile: Profile): string =>
  `accord-${profile}-${createHash('sha256').update(checkout).digest('hex').slice(0, 8)}`;

/** True when an engine answers and has Compose; a client alone is quickly passed over. */
export async function hasDockerEngine(): Promise<boolean> {
  if (findProgram('docker') === undefined) return false;
  try {
    await runCommand('docker', ['info', '--format', '{{.ServerVersion}}'], { timeoutMs: 3_000 });
    await runCommand('docker', ['compose', 'version'], { timeoutMs: 3_000 });
    return true;
  } catch {
    return false;
  }
}

/** Starts one service and waits for its health check. @throws and removes the container when it fails. */
export async function composeUp(name: ServerName, context: Context): Promise<void> {
  try {
    await compose(context, ['up', '--detach', '--wait', name], upTimeoutMs);
  } catch (error) {
    await compose(context, ['rm', '--stop', '--force', name]).catch(() => undefined);
    throw error;
  }
}

export async function composeRestart(name: ServerName, context: Context): Promise<void> {
  await compose(context, ['restart', name]);
}

/** Stops every container of this checkout's profile; without any it does nothing. */
export async function composeStop(context: Context): Promise<void> {
  await compose(context, ['stop']);
}

/** Removes containers and volumes of this checkout's profile. */
export async function composeWipe(context: Context): Promise<void> {
  await compose(context, ['down', '--volumes']);
}

export function composeLogs(
  name: ServerName,
  context: Context,
  onLine: (line: string) => void,
  isFollowing: boolean,
): Promise<string> {
  const flags = isFollowing ? ['--follow'] : ['--tail', '50'];
  const timeoutMs = isFollowing ? 2 ** 31 - 1 : otherTimeoutMs; // The longest that a timer takes.
  return compose(context, ['logs', '--no-log-prefix', ...flags, name], timeoutMs, onLine);
}

function compose(
  context: Context,
  args: readonly string[],
  timeoutMs = otherTimeoutMs,
  onLine?: (line: string) => void,
): Promise<string> {
  const project = ['--project-name', projectOf(context.profile)];
  return runCommand('docker', ['compose', ...project, '--file', composeFile, ...args], {
    timeoutMs,
    env: environmentWith(composeVariables(context)),
    ...(onLine !== undefined && { onLine }),
  });
}

function composeVariables({ ports, passwords }: Context): Readonly<Record<string, string>> {
  const port = (name: string): string => String(ports[name] ?? '');
  return {
    ACCORD_TEMPORAL_PORT: port('temporal'),
    ACCORD_TEMPORAL_UI_PORT: port('temporalUi'),
    ACCORD_TEMPORAL_METRICS_PORT: port('temporalMetrics'),
    ACCORD_MYSQL_PORT: port('mysql'),
    ACCORD_REDIS_PORT: port('redis'),
    ACCORD_KAFKA_PORT: port('kafka'),
    ACCORD_MYSQL_ROOT_PASSWORD: passwords.mysql,
    ACCORD_REDIS_PASSWORD: passwords.redis,
  };
}
