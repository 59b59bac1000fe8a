import type { Gid } from './ids';

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
