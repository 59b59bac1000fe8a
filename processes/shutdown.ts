import type { Logger } from './logger';

/** Longer than any statement, send or renewal may take; a supervisor kills after this. */
const stopWithinMs = 30_000;

/** Runs `stop` at the first SIGTERM or SIGINT and exits with 0; a second signal, or 30 s, ends the process with 1. */
export function stopOnSignal(logger: Logger, stop: () => Promise<void>): void {
  let isStopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isStopping) process.exit(1);
    isStopping = true;
    logger.info({ signal }, 'Stopping.');
    setTimeout(() => process.exit(1), stopWithinMs).unref();
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
