/** The catalogue of events: all that the participants of an application declare, and what may change in it. */
import { operationsOf, type Participating } from './definition';
import { stepAggregate, topicOf } from './events';
import { exampleOf, type JsonSchema } from './schema';

/** An event, as the catalogue publishes it. */
export interface CataloguedEvent {
  readonly topic: string;
  readonly type: string;
  readonly version: number;
  /** When it is announced: one sentence. */
  readonly when: string;
  /** Activities that announce it, by type. Empty: the engine does, beside its activities. */
  readonly by: readonly string[];
  /** The aggregate, which is the key of the record. */
  readonly key: string;
  /** JSON Schema (2020-12) of `data` in the envelope. */
  readonly data: JsonSchema;
  readonly example: unknown;
}

/** All events of participants, in the order of their declarations: declared ones first, then the generic ones. */
export const catalogueOf = (participants: readonly Participating[]): readonly CataloguedEvent[] =>
  participants.flatMap((each) => [...declaredEvents(each), ...genericEvents(each)]);

const declaredEvents = ({ participant, events }: Participating): readonly CataloguedEvent[] =>
  Object.entries(events).map(([type, { by, data, ...declared }]) => ({
    topic: topicOf(participant),
    type,
    version: declared.version,
    when: declared.when,
    by: by.map((operation) => `${participant}.${operation}`),
    key: declared.key,
    data,
    example: exampleOf(data),
  }));

/** Generic events of operations that declare none. A seal has no effect, and the engine announces its own events alone. */
const genericEvents = (definition: Participating): readonly CataloguedEvent[] =>
  operationsOf(definition)
    .filter(({ verb, announces, participant }) => {
      return verb !== 'seal' && announces.length === 0 && participant !== 'accord';
    })
    .map(({ participant, type, verb }) => ({
      topic: topicOf(participant),
      type,
      version: 1,
      when: genericWhen[verb],
      by: [type],
      key: stepAggregate,
      data: { type: 'object', properties: {}, required: [] },
      example: {},
    }));

const genericWhen = {
  act: 'The act has taken effect. A reservation that it consumes announces it too, under its own step.',
  confirm: 'The reservation of the act is final.',
  undo: 'The act is taken back.',
  seal: '',
} as const;

/**
 * Why readers of the recorded events could not read the present ones; one sentence for each. A new event and a new
 * field break nobody.
 */
export const breaksIn = (
  recorded: readonly CataloguedEvent[],
  present: readonly CataloguedEvent[],
): readonly string[] =>
  recorded.flatMap((before) => {
    const now = present.find(({ topic, type }) => topic === before.topic && type === before.type);
    return now ? breaksOf(before, now) : [goneSentence(before)];
  });

const goneSentence = ({ topic, type }: CataloguedEvent): string =>
  `${type} on ${topic} is gone, and consumers may wait for it: keep its declaration. If nobody reads it, take it out of the recorded list by hand.`;

function breaksOf(before: CataloguedEvent, now: CataloguedEvent): readonly string[] {
  if (now.version > before.version) return [];
  if (now.version < before.version) {
    return [
      `${now.type} went from version ${before.version} to ${now.version}: raise the version.`,
    ];
  }
  return schemaBreaks('data', before.data, now.data).map(
    (what) => `${now.type}, version ${now.version}: ${what}: raise the version.`,
  );
}

/** Where data by the new schema are none by the old one, or lack what the old one promised. */
function schemaBreaks(path: string, before: JsonSchema, now: JsonSchema): readonly string[] {
  const narrow = [...keywords].filter((name) => !isEqual(before[name], now[name]));
  if (narrow.length > 0) return [`${path} has another ${narrow.join(' and ')}`];
  if (before.anyOf?.length !== now.anyOf?.length) return [`${path} has other choices`];
  if (before.items && !now.items) return [`${path} says no more what its items are`];
  const items = before.items && now.items ? schemaBreaks(`${path}[]`, before.items, now.items) : [];
  const choices = (before.anyOf ?? []).flatMap((choice, at) =>
    schemaBreaks(path, choice, now.anyOf?.[at] ?? {}),
  );
  return [...items, ...choices, ...propertyBreaks(path, before, now)];
}

function propertyBreaks(path: string, before: JsonSchema, now: JsonSchema): readonly string[] {
  return Object.entries(before.properties ?? {}).flatMap(([name, schema]) => {
    const field = `${path}.${name}`;
    const present = now.properties?.[name];
    if (!present) return [`${field} is gone`];
    const isPromised = !before.required?.includes(name) || now.required?.includes(name);
    return [
      ...(isPromised ? [] : [`${field} may be left out`]),
      ...schemaBreaks(field, schema, present),
    ];
  });
}

/** Any change of these is a change of the type: consumers may validate by it. Words and examples are free. */
const keywords = ['type', 'const', 'enum', 'pattern', 'format', 'minimum', 'maximum'] as const;

const isEqual = (one: unknown, other: unknown): boolean =>
  JSON.stringify(one) === JSON.stringify(other);
