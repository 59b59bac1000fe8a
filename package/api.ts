/** `accord/api`: serves a project over HTTP, as `accord api` does by its configuration. */
export { noVariables, ownVariables, type OwnVariables } from '../api/config';
export type { FieldError } from '../api/http/errors';
export { fault } from '../api/http/refusals';
/** Pieces of request bodies, which zod checks and OpenAPI shows. */
export { money, price } from '../api/http/own-money';
export { knownCurrency as currencyCode, reference, text, time } from '../api/http/schemas';
export type { ApiParts, ApiServices, OpenDatabase } from '../api/parts';
export { flowStart, type FlowStart } from '../api/routes/flow-start';
export { runApi } from '../api/run';
