/** The parts of an application: its participants and flows, and what follows from their definitions. */
import { catalogueOf, type CataloguedEvent } from './catalogue';
import { operationsOf, type AnyOperation, type Participating } from './definition';
import type { Refusal } from './failures';
import { isOperatorFlow, operatorFlows, type Flow } from './ids';
import { decideStep, plannedStepIn, planStepsOf, stepsOfPlan, type PlannedStep } from './plan';
import { accord } from './runs';
import type { FlowDefinition } from './flow-definition';
import type { TransactionInput } from './transaction';

export interface Application {
  /** Databases with a fence: one for each such participant, and last `accord`, which every application has. */
  readonly fenced: readonly string[];
  /** `fenced` without `accord`. Acts in these databases may only reserve. */
  readonly reserving: readonly string[];
  /** By name. */
  readonly flows: Readonly<Record<Flow, FlowDefinition>>;
  /** Flows that callers start. The other flows move regions. */
  readonly businessFlows: readonly Flow[];
  /** Every operation of every participant, by activity type. */
  readonly operations: ReadonlyMap<string, AnyOperation>;
  /** Every refusal that an operation declares, each once. */
  readonly refusals: readonly Refusal[];
  /** Every event of every participant with an outbox, those of the transactions last. */
  readonly events: readonly CataloguedEvent[];
  /** @throws a plain error for a flow that the application does not have. */
  readonly workflowOf: (flow: Flow) => string;
  /** All steps that a flow may have, for any input. An unknown flow has none. */
  readonly stepsOfFlow: (flow: Flow) => readonly PlannedStep[];
  /** The steps that a transaction with this input has. */
  readonly stepsOfInput: (input: TransactionInput) => readonly PlannedStep[];
  /** A step of a run as it was planned. */
  readonly plannedStepOf: (flow: Flow, step: string) => PlannedStep | undefined;
}

/** What an application is made of. */
export interface ApplicationParts {
  /** Each has a database of its own. */
  readonly participants: readonly Participating[];
  /** Participants without a fence: they bring about a state and verify it. Left out: none. */
  readonly unfenced?: readonly Participating[];
  readonly flows: readonly FlowDefinition[];
}

/**
 * Declares an application.
 *
 * @throws a plain error if two participants or two flows have one name, if two flows have one workflow, if a name is
 *   the engine's own, or if a step of a flow calls a participant that is not among them.
 */
export function defineApplication({
  participants,
  unfenced = [],
  flows,
}: ApplicationParts): Application {
  const all = [...participants, accord, ...unfenced];
  demandOnce(
    'participant',
    all.map(({ participant }) => participant),
  );
  demandOnce(
    'flow',
    flows.map(({ name }) => name),
  );
  demandOnce(
    'workflow',
    flows.map(({ workflow }) => workflow),
  );
  for (const { participant } of participants) demandFree('participant', participant, engineRooms);
  for (const { workflow } of flows) demandFree('workflow', workflow, engineJobs);
  if (unfenced.length === 0) for (const { name } of flows) demandFree('flow', name, operatorFlows);
  const operations = new Map(
    all.flatMap(operationsOf).map((operation) => [operation.type, operation] as const),
  );
  for (const flow of flows) demandKnown(flow, operations);
  // Without a prototype: `constructor` is a flow's name like any other, and no flow of this application.
  const byName: Readonly<Record<Flow, FlowDefinition>> = Object.assign(
    Object.create(null) as object,
    Object.fromEntries(flows.map((flow) => [flow.name, flow])),
  );
  const plans = new Map(flows.map((flow) => [flow.name, planStepsOf(flow)] as const));
  const stepsOfFlow = (flow: Flow) => plans.get(flow) ?? [];
  const reserving = participants.map(({ participant }) => participant);
  return Object.freeze({
    fenced: [...reserving, accord.participant],
    reserving,
    flows: byName,
    businessFlows: flows.map(({ name }) => name).filter((name) => !isOperatorFlow(name)),
    operations,
    events: catalogueOf([...participants, accord]),
    refusals: [...new Set([...operations.values()].flatMap(({ refusals }) => refusals))],
    workflowOf(flow: Flow) {
      const { workflow } = byName[flow] ?? {};
      if (workflow === undefined) throw new Error(`This application has no flow ${flow}.`);
      return workflow;
    },
    stepsOfFlow,
    stepsOfInput: (input: TransactionInput) => stepsOfPlan(stepsOfFlow(input.flow), input),
    plannedStepOf: (flow: Flow, step: string) =>
      plannedStepIn(stepsOfFlow(flow), step) ?? (step === decideStep.name ? decideStep : undefined),
  });
}

/** Activities of the engine are registered under these names, as those of participants are. */
const engineRooms = ['reconciliation', 'retention', 'watch', 'regions'];
const engineJobs = ['recover', 'reconcile', 'retention', 'regionWatch'];

function demandFree(what: string, name: string, taken: readonly string[]): void {
  if (taken.includes(name)) throw new Error(`No ${what} can be named ${name}: the engine has it.`);
}

function demandOnce(what: string, names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new Error(`Two of one ${what}: ${twice}.`);
}

function demandKnown(flow: FlowDefinition, operations: ReadonlyMap<string, AnyOperation>): void {
  for (const [name, { act }] of Object.entries(flow.steps)) {
    if (operations.has(act.type)) continue;
    throw new Error(
      `Step ${name} of the flow ${flow.name} calls ${act.type}: ${act.participant} is no participant of this application.`,
    );
  }
}

let installed: Application | undefined;

/**
 * Makes it the application of this process, which every part of the engine reads. A process has one from its start on.
 *
 * @throws a plain error where another one is installed already.
 */
export function installApplication(one: Application): void {
  if (installed && installed !== one) throw new Error('Another application is installed already.');
  installed = one;
}

/** The application of this process. @throws a plain error where none was installed. */
export function application(): Application {
  if (!installed)
    throw new Error(
      'No application is installed: a process calls installApplication at its start.',
    );
  return installed;
}
