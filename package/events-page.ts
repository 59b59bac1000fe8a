/** The catalogue of events as a page for people. */
import type { CataloguedEvent } from '../contracts/engine/catalogue';
import { envelopeSchema, eventIdHeader, eventTypeHeader } from '../contracts/engine/events';
import type { JsonSchema } from '../contracts/engine/schema';

export const eventsPage = (events: readonly CataloguedEvent[]): string =>
  [heading, envelopeSection(), ...events.flatMap(eventSection)].join('\n\n').concat('\n');

const heading = `# Events

Generated from the declarations of the participants, by \`accord events\` (in this repository: \`npm run docs:events\`). \`accord events --json\` prints the same as JSON Schema.

Within a version fields may be added, so a reader passes over what it does not know. Everything else that a reader could notice raises the version.`;

const envelopeSection = (): string =>
  [
    '## Every record',
    `The value is JSON. Its headers are \`${eventIdHeader}\` (the event, the same in every delivery), \`${eventTypeHeader}\` and, where a trace is known, \`traceparent\`. The key is \`aggregateId\`: the order is promised within one aggregate. A record may come more than once.`,
    fieldsTable(envelopeSchema('<type>', { type: 'object', description: 'Fields of the event.' })),
  ].join('\n\n');

function eventSection(event: CataloguedEvent, at: number, all: readonly CataloguedEvent[]) {
  const isFirst = all[at - 1]?.topic !== event.topic;
  return [...(isFirst ? [`## ${event.topic}`] : []), eventText(event)];
}

const eventText = ({ type, version, when, by, key, data, example }: CataloguedEvent): string =>
  [
    `### ${type}`,
    `Version ${version}. ${when} ${announcers(by)}Key: ${key}.`,
    Object.keys(data.properties ?? {}).length === 0 ? 'No data.' : fieldsTable(data),
    ...(isEmpty(example) ? [] : ['```json\n' + JSON.stringify(example) + '\n```']),
  ].join('\n\n');

const isEmpty = (example: unknown): boolean => JSON.stringify(example) === '{}';

const announcers = (by: readonly string[]): string =>
  by.length === 0 ? '' : `Announced by ${by.map((one) => `\`${one}\``).join(', ')}. `;

const fieldsTable = (schema: JsonSchema): string =>
  ['| field | type | meaning |', '|---|---|---|', ...fieldRows('', schema)].join('\n');

function fieldRows(prefix: string, { properties = {}, required = [] }: JsonSchema): string[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const field = `${prefix}${name}`;
    const left = required.includes(name) ? '' : ', may be left out';
    const row = `| \`${field}\` | ${typeText(schema)}${left} | ${schema.description ?? ''} |`;
    return [row, ...innerRows(field, schema)];
  });
}

function innerRows(field: string, { items, anyOf, ...schema }: JsonSchema): string[] {
  if (items) return fieldRows(`${field}[].`, items);
  return fieldRows(`${field}.`, anyOf?.[0] ?? schema);
}

function typeText({ type, format, pattern, anyOf, ...schema }: JsonSchema): string {
  if (anyOf) return anyOf.map(typeText).join(' or ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.items) return `list of ${typeText(schema.items)}`;
  if (type === 'integer') return boundsText(schema);
  const form = format ?? (pattern === undefined ? '' : `\`${pattern.replaceAll('|', '\\|')}\``);
  return [String(type), form].filter(Boolean).join(' ');
}

function boundsText({ minimum, maximum }: JsonSchema): string {
  const most = maximum === Number.MAX_SAFE_INTEGER ? '' : ` to ${maximum ?? ''}`;
  return `integer, from ${minimum ?? ''}${most}`;
}

/** The catalogue as other programs read it, and as it is recorded. */
export const cataloguedJson = (events: readonly CataloguedEvent[]) => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  envelope: envelopeSchema('<type>', { type: 'object' }),
  events,
});
