import { ConfigurationError } from './environment';
import { createLogger } from './logger';

/**
 * Runs a process. An error at its start, or later, ends it at once with exit code 1, also with open clients. A wrong
 * configuration gives one sentence on standard error, any other error a line of the log.
 */
export function runProcess(name: string, main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    if (error instanceof ConfigurationError) process.stderr.write(`${error.message}\n`);
    else createLogger({ process: name, level: 'error' }).error({ err: error }, 'Stopped.');
    process.exit(1);
  });
}
