/** `accord/worker`: composes the processes of a project. `accord worker` and `accord relay` do the same by its configuration. */
export { defineProject, type Project } from './project';
export type { Sample } from '../testing/projects/samples';
export { runRelay } from '../workers/relay/run';
export { runTransactionWorker, type TransactionWorkerParts } from '../workers/transactions/run';
export type { JobActivities, JobServices, WorkerServices } from '../workers/transactions/services';
export type { Implementations } from '../workers/transactions/activities';
export type { JobSchedule } from '../workers/transactions/schedules';
