/** The router as a process: routes from its environment, orders on its control port. */
import { Command } from 'commander';

import { reasonOf } from '../stack/waiting';
import { routesSchema, startRouter } from './router';

const { control, state } = new Command('router')
  .requiredOption('--control <port>', 'where it takes orders')
  .requiredOption('--state <file>', 'what it was told last')
  .parse()
  .opts<{ readonly control: string; readonly state: string }>();

const routes = routesSchema.parse(JSON.parse(process.env['ROUTES'] ?? '{}'));
startRouter({ routes, controlPort: Number(control), stateFile: state }).then(
  ({ port }) => console.log(`The router takes orders on port ${port}.`),
  (error: unknown) => {
    console.error(reasonOf(error));
    process.exit(1); // Routes that were opened before would keep it alive.
  },
);
process.on('SIGTERM', () => process.exit());
