/** The router as a process: routes from its environment, orders on its control port. */
import { Command } from 'commander';

import { routesSchema, startRouter } from './router';

const { control, state } = new Command('router')
  .requiredOption('--control <port>', 'where it takes orders')
  .requiredOption('--state <file>', 'what it was told last')
  .parse()
  .opts<{ readonly control: string; readonly state: string }>();

const routes = routesSchema.parse(JSON.parse(process.env['ROUTES'] ?? '{}'));
void startRouter({ routes, controlPort: Number(control), stateFile: state }).then(({ port }) =>
  console.log(`The router takes orders on port ${port}.`),
);
process.on('SIGTERM', () => process.exit());
