import type { Logger } from './logger';

/** Longer than any statement, send or renewal may take. A supervisor kills after this time and the grace. */
const stopWithinMs = 30_000;

/**
 * Runs `stop` at the first SIGTERM or SIGINT and exits with 0; a second signal, or 30 s, ends the process with 1.
 *
 * @param graceMs in which `stop` only waits, for a balancer; it comes on top of the 30 s.
 */
export function stopOnSignal(logger: Logger, stop: () => Promise<void>, graceMs = 0): void {
  let isStopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isStopping) process.exit(1);
    isStopping = true;
    logger.info({ signal }, 'Stopping.');
    setTimeout(() => process.exit(1), graceMs + stopWithinMs).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'Could not stop cleanly.');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

/**
 * Lets SIGTERM or SIGINT end a process that has no work yet, such as one that waits for a server.
 * @returns a function that removes these handlers.
 */
export function leaveOnSignal(): () => void {
  const leave = (): void => process.exit(0);
  const names = ['SIGTERM', 'SIGINT'] as const;
  for (const name of names) process.on(name, leave);
  return () => {
    for (const name of names) process.off(name, leave);
  };
}
