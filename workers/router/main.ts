/** The router as a process: routes from its environment, orders on its control port. */
import { Command } from 'commander';

import { createLogger } from '../../runtime/logger';
import { runProcess } from '../../runtime/start';
import { loadRoutes } from './config';
import { startRouter } from './router';

const { control, state } = new Command('router')
  .requiredOption('--control <port>', 'where it takes orders')
  .requiredOption('--state <file>', 'what it was told last')
  .parse()
  .opts<{ readonly control: string; readonly state: string }>();

async function main(): Promise<void> {
  const logger = createLogger({ process: 'router', level: 'info' });
  process.on('SIGTERM', () => process.exit());
  const routes = loadRoutes();
  const { port } = await startRouter({ routes, controlPort: Number(control), stateFile: state });
  logger.info({ port }, 'Takes orders.');
}

runProcess('router', main);
