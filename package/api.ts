/** `accord/api`: serves a project over HTTP, as `accord api` does by its configuration. */
export { runApi } from '../api/run';
export { noVariables, ownVariables, type OwnVariables } from '../api/config';
export type { ApiParts, ApiServices, OpenDatabase } from '../api/parts';
