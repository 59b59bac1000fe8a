#!/usr/bin/env node
/**
 * accord: the commands of the package. They are about the project whose `accord.config.js` stands in the working folder,
 * and about Accord's own application where there is none.
 */
import { Command } from 'commander';

import { installApplication } from '../contracts/engine/application';
import { shop } from '../contracts/shop';
import { apiKeyCommand } from './commands/api-key';
import { buildCommand } from './commands/build';
import { crashPointsCommand } from './commands/crash-points';
import { eventsCommand } from './commands/events';
import { faultsCommand } from './commands/faults';
import { migrateCommand } from './commands/migrate';
import { operatorTokenCommand } from './commands/operator-token';
import { recordHistoryCommand } from './commands/record-history';
import { replayCommand } from './commands/replay';
import { verifyCommand } from './commands/verify';
import { environmentSite } from './environment-site';
import { processCommands } from './processes';
import { loadProject, type Project } from './project';
import { runCommand } from './report';

let project: Project | undefined;
let config: string | undefined;
const site = environmentSite(() => project);

const program = new Command('accord')
  .description('Runs transactions that span several databases to one of three endings.')
  .option(
    '--config <file>',
    'configuration of a project; default: accord.config.js of the working folder',
  )
  .hook('preAction', async () => {
    ({ config } = program.opts<{ readonly config?: string }>());
    project = await loadProject(config);
    installApplication(project?.application ?? shop);
  })
  .addHelpText(
    'after',
    '\nProcesses and commands read their addresses from the environment (docs/configuration.md).',
  )
  .showHelpAfterError('accord --help lists every command.');

for (const command of [
  migrateCommand(site),
  apiKeyCommand(site),
  operatorTokenCommand(site),
  buildCommand(() => project),
  ...processCommands(() => project),
  verifyCommand(site),
  replayCommand(site),
  recordHistoryCommand(site),
  crashPointsCommand(() => ({ project, config })),
  faultsCommand(),
  eventsCommand(),
])
  program.addCommand(command);

runCommand(program);
