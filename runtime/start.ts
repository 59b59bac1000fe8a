import { ConfigurationError } from './environment';
import { createLogger } from './logger';

/**
 * Runs a process. What keeps it from starting, or ends it, ends it at once with exit code 1: clients that are open by
 * then keep nothing alive. A wrong configuration is one sentence on standard error; anything else is a line of the log.
 */
export function runProcess(name: string, main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    if (error instanceof ConfigurationError) process.stderr.write(`${error.message}\n`);
    else createLogger({ process: name, level: 'error' }).error({ err: error }, 'Stopped.');
    process.exit(1);
  });
}
