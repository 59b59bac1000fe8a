/** The processes of an application, each a command. They read their environment, and own the process that they run in. */
import { Command } from 'commander';

import { keptBundle } from './kept';
import type { Project } from './project';

/** A process, and how it runs: of a project, or of Accord's own application. */
interface Program {
  readonly name: string;
  readonly description: string;
  readonly own: () => Promise<unknown>;
  /** `null`: a project has none. */
  readonly ofProject: ((project: Project) => Promise<void>) | null;
}

// Each is loaded when it runs: a command that migrates needs neither Temporal nor an HTTP server.
const programs: readonly Program[] = [
  {
    name: 'worker',
    description: 'Runs flows and their activities: a transaction worker.',
    own: () => import('../workers/transactions/main.js'),
    async ofProject({ application, implementations, workflowsPath, schedules, jobActivities }) {
      const { runTransactionWorker } = await import('../workers/transactions/run.js');
      const { bundleOf } = await import('./bundle.js');
      const workflows = { bundle: (await bundleOf(workflowsPath, keptBundle())).code };
      runTransactionWorker({
        ...{ application, implementations, workflows },
        ...(schedules && { schedules }),
        ...(jobActivities && { jobActivities }),
      });
    },
  },
  {
    name: 'api',
    description: 'Serves HTTP: starts, answers, steering.',
    own: () => import('../api/main.js'),
    async ofProject({ application, starts, checks = [], api }) {
      const { runApi } = await import('../api/run.js');
      const { checksOf } = await import('../invariants/checks.js');
      runApi({ ...api, ...(starts && { starts }), checks: checksOf(checks), application });
    },
  },
  {
    name: 'relay',
    description: 'Sends the events of every outbox to Kafka.',
    own: () => import('../workers/relay/main.js'),
    async ofProject({ application }) {
      const { runRelay } = await import('../workers/relay/run.js');
      runRelay({ application });
    },
  },
  {
    name: 'consumer',
    description: "Builds the order view of Accord's own application from its events.",
    own: () => import('../workers/consumers/main.js'),
    ofProject: null,
  },
  {
    name: 'failover',
    description: "Watches the regions of Accord's own application, and switches them.",
    own: () => import('../workers/failover/main.js'),
    ofProject: null,
  },
];

/** @param project of the command line, once it is read; undefined: Accord's own application. */
export const processCommands = (project: () => Project | undefined): readonly Command[] =>
  programs.map(({ name, description, own, ofProject }) =>
    new Command(name).description(description).action(async () => {
      const given = project();
      if (!given) {
        await own();
        return;
      }
      if (!ofProject)
        throw new Error(
          `accord ${name} is of Accord's own application: a project has none. Leave it out.`,
        );
      await ofProject(given);
    }),
  );
