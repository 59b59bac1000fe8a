import { shop } from '../contracts/shop';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { Command } from 'commander';

import packageJson from '../package.json';
import { batchIdOf } from '../contracts/engine/batches';
import { batchScenarios, type BatchScenario } from '../tests/replay/batch-scenarios';
import { jobScenarios, type JobScenario } from '../tests/replay/job-scenarios';
import { scenarios, type Scenario } from '../tests/replay/scenarios';
import { fakeParticipants } from '../tests/workflows/support/fake-participants';
import { answeringAsAWorker } from '../tests/workflows/support/answers';
import { bundleWorkflows } from './bundle-workflows';
import { enterHash } from '../testing/replay/hash-list';
import { bringUp } from '../testing/stack/stack';
import { runCommand } from './report';

const checkout = join(__dirname, '..');
const folder = join(checkout, 'tests', 'replay', 'histories');
const undoBudgetMs = 20_000;
const all: readonly (Scenario | JobScenario | BatchScenario)[] = [
  ...scenarios,
  ...jobScenarios,
  ...batchScenarios,
];

const command = new Command('record-history')
  .description(
    'Records the history of a scenario of tests/replay/scenarios.ts from a real run. A recording is never overwritten: ' +
      'while runs of its version may be open, a failed replay needs patched(), not a new recording.',
  )
  .argument('[scenarios...]', 'names of scenarios; none: all that have no recording yet')
  .option('--list', 'show the scenarios, and which have a recording')
  .showHelpAfterError();

async function main(): Promise<void> {
  if (command.opts<{ list?: boolean }>().list) {
    list();
    return;
  }
  const wanted = chosen(command.args);
  if (wanted.length === 0) {
    console.log('Every scenario has its recording.');
    return;
  }
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const { temporal } = await bringUp('test');
  const environment = await TestWorkflowEnvironment.createFromExistingServer(temporal);
  const codePath = await bundleWorkflows('workflows/index.ts', 'dist/workflow-bundle.js');
  mkdirSync(folder, { recursive: true });
  try {
    for (const scenario of wanted) {
      const history =
        'input' in scenario
          ? await record(environment, codePath, scenario)
          : await recordParent(environment, codePath, parentOf(scenario));
      writeFileSync(fileOf(scenario), history, { flag: 'wx' });
      enterHash(folder, basename(fileOf(scenario)));
      console.log(`Recorded ${scenario.name}.`);
    }
  } finally {
    await environment.teardown();
  }
}

const fileOf = ({ name }: { readonly name: string }): string =>
  join(folder, `${packageJson.version}-${name}.json`);

function list(): void {
  for (const scenario of all) {
    console.log(`${existsSync(fileOf(scenario)) ? 'recorded' : 'missing '}  ${scenario.name}`);
  }
}

/** @throws an error that names the scenario which is unknown, or recorded already. */
function chosen(names: readonly string[]): typeof all {
  if (names.length === 0) return all.filter((scenario) => !existsSync(fileOf(scenario)));
  return names.map((name) => {
    const scenario = all.find((each) => each.name === name);
    if (!scenario) throw new Error(`There is no scenario ${name}; --list shows them.`);
    if (existsSync(fileOf(scenario))) {
      throw new Error(
        `${name} has a recording of ${packageJson.version}, and a recording is never overwritten: runs that were started ` +
          'by the code of that day may live. Put the old way behind patched(), or give the new way a scenario of its own.',
      );
    }
    return scenario;
  });
}

async function record(
  { client, nativeConnection }: TestWorkflowEnvironment,
  codePath: string,
  { name, input: inputOf, answers, actingMs = 60_000, meanwhile }: Scenario,
): Promise<string> {
  const taskQueue = `recording-${name}`;
  const fakes = fakeParticipants(answers);
  const worker = await Worker.create({
    connection: nativeConnection,
    taskQueue,
    workflowBundle: { codePath },
    activities: answeringAsAWorker(fakes.activities),
    shutdownGraceTime: 0,
  });
  return worker.runUntil(async () => {
    const input = inputOf({ deadlineAt: Date.now() + actingMs + undoBudgetMs, undoBudgetMs });
    const workflow = shop.workflowOf(input.flow);
    await client.workflow.start(workflow, { workflowId: input.gid, taskQueue, args: [input] });
    await meanwhile?.(client.workflow.getHandle(input.gid), fakes);
    const newest = client.workflow.getHandle(input.gid); // A reset makes another run.
    await newest.result();
    return withoutFolder(historyToJSON(await newest.fetchHistory()));
  });
}

/** A workflow that may start transactions, which outlive it. */
interface Parent extends JobScenario {
  readonly workflowId: string;
}

function parentOf(scenario: JobScenario | BatchScenario): Parent {
  const token = `${scenario.name}-${Date.now()}`;
  if ('workflow' in scenario) {
    const activities = { ...fakeParticipants().activities, ...scenario.activities };
    return { ...scenario, activities, workflowId: `recording-${token}` };
  }
  const { name, batch, answers } = scenario;
  const flow = batch[0]?.flow ?? '';
  const { activities } = fakeParticipants(answers);
  return {
    name,
    workflow: shop.workflowOf(flow),
    args: [{ batch }],
    activities: answeringAsAWorker(activities) as JobScenario['activities'],
    workflowId: batchIdOf(flow, token),
  };
}

async function recordParent(
  { client, nativeConnection }: TestWorkflowEnvironment,
  codePath: string,
  { name, workflow, args, activities, workflowId }: Parent,
): Promise<string> {
  const taskQueue = `recording-${name}`;
  const worker = await Worker.create({
    connection: nativeConnection,
    taskQueue,
    workflowBundle: { codePath },
    activities,
    shutdownGraceTime: 0,
  });
  return worker.runUntil(async () => {
    const handle = await client.workflow.start(workflow, {
      workflowId,
      taskQueue,
      args: [...args],
    });
    await handle.result().catch(() => undefined); // A refusal is an ending as well.
    const { events } = await handle.fetchHistory();
    const children = (events ?? []).flatMap(
      (event) => event.childWorkflowExecutionStartedEventAttributes?.workflowExecution ?? [],
    );
    // They outlive their parent, but not this worker.
    for (const child of children) await client.workflow.getHandle(child.workflowId ?? '').result();
    return withoutFolder(historyToJSON(await handle.fetchHistory()));
  });
}

/** Removes the folder of this checkout from stack traces. Replay does not need it. */
const withoutFolder = (history: string): string => history.replaceAll(`${checkout}/`, '');

runCommand(command.action(main));
