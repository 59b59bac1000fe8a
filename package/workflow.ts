/**
 * `accord/workflow`: makes a declared flow a workflow, and brings the jobs that every application runs. Temporal's bundler
 * takes it into a project's workflow code: it needs no Node, no driver and no zod.
 *
 * A project's workflow file exports its flows and these jobs, each under its own name:
 * `export { reconcile, recover, retention } from 'accord/workflow';`
 */
export { runFlow, type FlowRun } from '../workflows/kernel/flow';
export { reconcile } from '../workflows/jobs/reconcile';
export { recover } from '../workflows/jobs/recover';
export { retention } from '../workflows/jobs/retention';
export { startTransaction } from '../workflows/kernel/starting';
