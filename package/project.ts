/** What a project gives Accord: its application, and how its parts are done. `accord` reads it from `accord.config.js`. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import type { ApiParts } from '../api/parts';
import type { Application } from '../contracts/engine/application';
import type { OwnCheck } from '../invariants/checks';
import type { Sample } from '../testing/projects/samples';
import type { TransactionWorkerParts } from '../workers/transactions/run';

export interface Project {
  readonly application: Application;
  /** The activities of each participant, as `implement` makes them. Called once, at the start of a worker. */
  readonly implementations: TransactionWorkerParts['implementations'];
  /** The folder of migrations of each participant: absolute paths. */
  readonly migrations: Readonly<Record<string, string>>;
  /**
   * Absolute path of the module that exports every flow, and the jobs of the engine: recover, reconcile and retention of
   * `accord/workflow`. Temporal's bundler reads it, TypeScript or JavaScript.
   */
  readonly workflowsPath: string;
  /** Jobs beside those of the engine. Left out: none. */
  readonly schedules?: TransactionWorkerParts['schedules'];
  /** The activities of those jobs, under names of their own. Called once, at the start of a worker. Left out: none. */
  readonly jobActivities?: TransactionWorkerParts['jobActivities'];
  /** How callers start its flows over HTTP: `flowStart` of `accord/api`. Left out: callers cannot start any. */
  readonly starts?: ApiParts['starts'];
  /** What must hold in the databases of its participants: `accord verify` and the API ask it. Left out: what every application must keep. */
  readonly checks?: readonly OwnCheck[];
  /** A start of each flow, which `accord crash-points` tries. Left out: there is nothing to try. */
  readonly samples?: readonly Sample[];
  /** What its API serves beside that. Left out: nothing. */
  readonly api?: Omit<ApiParts, 'application' | 'starts' | 'checks'>;
}

/**
 * Checks what the compiler cannot: that each participant has migrations, and that every path exists.
 *
 * @throws one sentence that says what is missing.
 */
export function defineProject(project: Project): Project {
  const { application, migrations, workflowsPath } = project;
  for (const participant of application.reserving) {
    const folder = migrations[participant];
    if (folder === undefined) throw new Error(`The participant ${participant} has no migrations.`);
    demandPath(folder, `The migrations of ${participant}`);
  }
  const strange = Object.keys(migrations).find((name) => !application.reserving.includes(name));
  if (strange !== undefined)
    throw new Error(`${strange} has migrations, and is no participant of this application.`);
  demandPath(workflowsPath, 'The workflow module');
  const lost = project.checks?.find(({ participant }) => !application.fenced.includes(participant));
  if (lost)
    throw new Error(`The check ${lost.id} is of ${lost.participant}, and that is no participant.`);
  demandSamples(project);
  return project;
}

function demandSamples({ application, samples = [] }: Project): void {
  const { businessFlows } = application;
  const flows = samples.map(({ flow }) => flow);
  const strange = flows.find((flow) => !businessFlows.includes(flow));
  if (strange !== undefined)
    throw new Error(`A sample starts ${strange}, and that is no flow of this application.`);
  const twice = flows.find((flow, at) => flows.indexOf(flow) !== at);
  if (twice !== undefined) throw new Error(`The flow ${twice} has two samples: give it one.`);
}

function demandPath(path: string, what: string): void {
  if (!existsSync(path)) throw new Error(`${what} should stand at ${path}, and nothing is there.`);
}

/** Looked for in the working folder, in this order. */
const configNames = ['accord.config.js', 'accord.config.cjs', 'accord.config.mjs'];

/**
 * The project of the working folder.
 *
 * @param file its configuration; left out: `accord.config.js`, `.cjs` or `.mjs`.
 * @returns undefined where there is none: Accord's own application.
 * @throws one sentence where the file is missing, or exports no project.
 */
export async function loadProject(file?: string): Promise<Project | undefined> {
  const found = file ?? configNames.find((name) => existsSync(name));
  if (found === undefined) return undefined;
  const path = resolve(found);
  if (!existsSync(path))
    throw new Error(`There is no ${path}: --config names the file of a project.`);
  const exported = (await import(pathToFileURL(path).href)) as {
    readonly project?: Project;
    readonly default?: { readonly project?: Project };
  };
  const project = exported.project ?? exported.default?.project;
  if (project !== undefined) return defineProject(project);
  throw new Error(`${path} exports no project: write exports.project = defineProject({ … }).`);
}
