import type { Gid } from './ids';
import {
  fields,
  gid,
  instant,
  text,
  whole,
  type Fields,
  type JsonSchema,
  type ObjectOf,
  type Schema,
} from './schema';

/** Topic of the events of the transactions themselves. */
export const transactionsTopic = 'accord.transactions';

/** Topic of a participant's events. @param participant its name; `accord`: of the transactions themselves. */
export const topicOf = (participant: string): string =>
  participant === 'accord' ? transactionsTopic : `accord.${participant}`;

/** Partitions of every topic. The key of a record is its aggregate, so the order holds within an aggregate. */
export const topicPartitions = 6;

/** Header of a record with the id of its event. Consumers deduplicate by it. */
export const eventIdHeader = 'event-id';
export const eventTypeHeader = 'event-type';

/** Value of a Kafka record, as JSON. `sequence` counts the events of one aggregate from 1. */
export interface Envelope<Type extends string, Data> {
  readonly eventId: string;
  readonly type: Type;
  readonly gid: Gid;
  readonly aggregateId: string;
  readonly sequence: number;
  /** RFC 3339, UTC, milliseconds. */
  readonly occurredAt: string;
  readonly data: Data;
}

/** An event of a participant, declared once: the catalogue, emitters and consumers read this. */
export interface EventDeclaration<Data extends object, Operation extends string = string> {
  /** From 1. A change that a reader of the old form cannot read raises it. */
  readonly version: number;
  /** Operations of the participant that announce it. */
  readonly by: readonly Operation[];
  /** When it is announced: one sentence. */
  readonly when: string;
  /** The aggregate, which is the key of the record. */
  readonly key: string;
  readonly data: Schema<Data>;
}

export type EventDeclarations = Readonly<Record<string, EventDeclaration<object>>>;

/** An event of an effect goes under the step of the effect, unless it says otherwise. */
export const stepAggregate =
  '`<gid>/<branch>` of the step: its act has sequence 1, its confirm or undo 2';

/**
 * Declares an event.
 *
 * @param by operations that announce it; none: code of the engine does, beside its operations.
 * @param key its aggregate, where that is not the step.
 */
export const event = <const Of extends Fields, const Operation extends string = never>({
  version = 1,
  by = [],
  when,
  key = stepAggregate,
  data,
}: {
  readonly version?: number;
  readonly by?: readonly Operation[];
  readonly when: string;
  readonly key?: string;
  readonly data: Of;
}): EventDeclaration<ObjectOf<Of>, Operation> => ({
  version,
  by,
  when,
  key,
  data: fields(data),
});

export type DataOf<Declared> = Declared extends EventDeclaration<infer Data> ? Data : never;

/** The envelope of a declared event: the whole value of its record. */
export const envelopeSchema = (type: string, data: JsonSchema): JsonSchema =>
  fields({
    eventId: text(
      'The event, the same in every delivery: consumers deduplicate by it.',
      'order:acme.O-1001/createOrder/act/1',
    ),
    type: { type: 'string', const: type, description: 'Type of the event.' },
    gid: gid(),
    aggregateId: text('The aggregate, which is also the key of the record.', 'acme.O-1001'),
    sequence: whole('Rises within the aggregate.', { minimum: 1, maximum: 4_294_967_295 }),
    occurredAt: instant('When the event was written, RFC 3339, UTC, milliseconds.'),
    data,
  });

/** The envelopes of all events of a participant. */
export type EnvelopeOf<Definition extends { readonly events: EventDeclarations }> = {
  [Type in keyof Definition['events'] & string]: Envelope<Type, DataOf<Definition['events'][Type]>>;
}[keyof Definition['events'] & string];
