/** What is said once for all operations of the OpenAPI document, after it has been generated from the routes. */
import { application } from '../../contracts/engine/application';
import { reasonCodeText } from '../transactions/run-view';

type Node = Readonly<Record<string, unknown>>;

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

const meaningOf: Readonly<Record<string, string>> = {
  '200': 'The answer; of a start: its ending, or its plan where it was a dry run.',
  '201': 'Made.',
  '202': 'Durably accepted and going on, or waiting for a second person: follow `Location`.',
  '204': 'Done.',
  '206': 'Degraded: it serves, and something needs attention.',
  '4XX': 'A problem of the request (RFC 9457): nothing has been accepted.',
  '503': 'Not now.',
  '5XX': 'A problem of ours (RFC 9457): send it again with the same key where `retryable` is true.',
};
const problemStatuses: readonly string[] = ['4XX', '5XX'];

/** Gives each answer its meaning and its media type, and leaves out components that nothing refers to. */
export function completeDocument<Document extends object>(document: Document): Document {
  const { paths, components, ...rest } = document as Document & {
    readonly paths?: Node;
    readonly components?: Node & { readonly schemas?: Node };
  };
  const described = mapOperations(paths ?? {}, describeResponses);
  const schemas = applicationSchemas(usedSchemas(described, components?.schemas ?? {}));
  return { ...rest, paths: described, components: { ...components, schemas } } as never; // The same document, completed.
}

function mapOperations(paths: Node, change: (operation: Node) => Node): Node {
  const entries = Object.entries(paths).map(([path, operations]) => [
    path,
    Object.fromEntries(
      Object.entries(isNode(operations) ? operations : {}).map(([method, operation]) => [
        method,
        isNode(operation) ? change(operation) : operation,
      ]),
    ),
  ]);
  return Object.fromEntries(entries) as Node;
}

function describeResponses(operation: Node): Node {
  const { responses } = operation;
  if (!isNode(responses)) return operation;
  const described = Object.entries(responses).map(([status, response]) => [
    status,
    isNode(response) ? describeResponse(status, response) : response,
  ]);
  return { ...operation, responses: Object.fromEntries(described) as Node };
}

function describeResponse(status: string, response: Node): Node {
  const description = meaningOf[status] ?? response['description'];
  const { content } = response;
  if (!problemStatuses.includes(status) || !isNode(content)) return { ...response, description };
  return {
    ...response,
    description,
    content: { 'application/problem+json': content['application/json'] },
  };
}

/** What the application declares: its flows, and what its participants may refuse with. */
const applicationSchemas = (schemas: Node): Node =>
  Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      const { enum: flows, description } = {
        enum: Object.keys(application().flows),
        description: reasonCodeText(),
      };
      if (name === 'Flow') return [name, { ...(schema as Node), enum: flows }];
      if (name === 'ReasonCode') return [name, { ...(schema as Node), description }];
      return [name, schema];
    }),
  );

const prefix = '#/components/schemas/';

/** Those that the paths refer to, and those that these refer to. */
function usedSchemas(paths: Node, schemas: Node): Node {
  const used = new Set<string>();
  const visit = (node: unknown): void => {
    for (const name of refsIn(node)) {
      if (used.has(name)) continue;
      used.add(name);
      visit(schemas[name]);
    }
  };
  visit(paths);
  return Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)));
}

function refsIn(node: unknown): readonly string[] {
  if (Array.isArray(node)) return node.flatMap(refsIn);
  if (!isNode(node)) return [];
  return Object.entries(node).flatMap(([key, value]) =>
    key === '$ref' && typeof value === 'string' && value.startsWith(prefix)
      ? [value.slice(prefix.length).split('/')[0] ?? '']
      : refsIn(value),
  );
}
