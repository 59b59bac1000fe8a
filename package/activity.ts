/**
 * `accord/activity`: implements a declared participant in SQL, behind the fence of its database. An implementation gets a
 * set of requests and the SQL transaction that the fence opened for it; it never opens one of its own.
 */
export { implement } from '../activities/fence/implement';
export type { ActImplementation, FollowUpImplementation } from '../activities/fence/implement';
export type {
  Decided,
  EventOf,
  Fence,
  OutboxEvent,
  SqlTransaction,
} from '../activities/fence/participant';
export {
  chunksOf,
  effectOf,
  expectRows,
  keysPerStatementMax,
} from '../activities/fence/set-statements';
