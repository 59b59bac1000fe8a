import { eventIdHeader, eventTypeHeader, type Envelope } from '../../contracts/engine/events';
import { inertFaultPoints, type DeliveryPoints } from '../../runtime/faults/points';
import type { Logger } from '../../runtime/logger';
import { repeat } from '../../runtime/repeat';
import type { EventProducer, EventRecord } from './kafka-producer';
import type { RelayMetrics, RelayTask } from './metrics';
import type { OutboxRow, OutboxStore } from './outbox-store';

export interface RelaySettings {
  /**
   * Length of a lease, as the outbox stores have it. It is renewed after a third, so two renewals may fail before it is
   * over.
   */
  readonly leaseMs: number;
  /** Rows read and sent together. */
  readonly batchRowsMax: number;
  readonly busyPollMs: number;
  readonly idlePollMs: number;
  /** How long published rows stay. */
  readonly keepSeconds: number;
  readonly cleanUpEveryMs: number;
  /** Rows of one DELETE: a big one is replicated as one big transaction. */
  readonly cleanUpRowsMax: number;
  /** Put before every topic. */
  readonly topicPrefix: string;
}

export const relayDefaults = {
  leaseMs: 5_000,
  batchRowsMax: 500,
  busyPollMs: 10,
  idlePollMs: 200,
  keepSeconds: 7 * 24 * 3_600,
  cleanUpEveryMs: 60_000,
  cleanUpRowsMax: 1_000,
  topicPrefix: '',
} as const satisfies RelaySettings;

export interface RelayDependencies {
  readonly outboxes: readonly OutboxStore[];
  readonly producer: EventProducer;
  readonly metrics: RelayMetrics;
  readonly logger: Logger;
  /** Left out: inert. */
  readonly faults?: DeliveryPoints;
  /** Whether its region is the active one; left out: there is one region. Asked with every renewal of the leases. */
  readonly isActive?: () => Promise<boolean>;
  readonly settings?: Partial<RelaySettings>;
}

/**
 * Brings the events of the outboxes to Kafka: each at least once, and the first occurrences of one aggregate in its
 * order, whatever dies or stalls. A row is marked only after Kafka has it, and every relay begins with the oldest
 * unmarked row of a partition, so a second one can repeat events but never skip or overtake one.
 */
export interface Relay {
  start(): void;
  /** Finishes the batches under way and gives the leases back. */
  stop(): Promise<void>;
}

export function createRelay({ outboxes, settings, ...dependencies }: RelayDependencies): Relay {
  const pumps = outboxes.map((outbox) =>
    createPump({ ...dependencies, outbox, settings: { ...relayDefaults, ...settings } }),
  );
  return {
    start: () => pumps.forEach((pump) => pump.start()),
    stop: async () => {
      await Promise.all(pumps.map((pump) => pump.stop()));
    },
  };
}

/** What a relay holds of one outbox. */
interface Held {
  readonly partitions: readonly number[];
  /** Above the fair share: no new batch of them is begun, the next renewal gives them back. */
  readonly leaving: ReadonlySet<number>;
  /** Time by `performance.now()`: after this moment another relay may hold them. */
  readonly until: number;
}

function createPump({
  outbox,
  producer,
  metrics,
  logger,
  faults = inertFaultPoints,
  isActive = () => Promise.resolve(true),
  settings,
}: Omit<RelayDependencies, 'outboxes' | 'settings'> & {
  readonly outbox: OutboxStore;
  readonly settings: RelaySettings;
}): Relay {
  const { database } = outbox;
  let held: Held = { partitions: [], leaving: new Set(), until: 0 };
  let underWay: ReadonlySet<number> = new Set();
  let pollMs = settings.busyPollMs;

  const renewLeases = async (): Promise<number> => {
    const askedAt = performance.now();
    if (!(await isActive())) {
      held = { partitions: [], leaving: new Set(), until: 0 };
      return settings.leaseMs / 3; // What it held runs out by itself: its region may no longer be written to.
    }
    const left = [...held.leaving].filter((partition) => !underWay.has(partition));
    const { partitions, surplus } = await outbox.holdLeases(left);
    held = { partitions, leaving: new Set(surplus), until: askedAt + settings.leaseMs };
    return settings.leaseMs / 3;
  };

  const usable = (): readonly number[] =>
    performance.now() < held.until
      ? held.partitions.filter((partition) => !held.leaving.has(partition))
      : [];

  const publishBatch = async (): Promise<number> => {
    const partitions = usable();
    underWay = new Set(partitions);
    try {
      const rows = await outbox.unpublished(partitions, settings.batchRowsMax);
      // Without a lease it knows nothing: "no lag" would hide the outage.
      if (partitions.length > 0) metrics.lag(database, oldestOf(rows) / 1_000);
      if (rows.length > 0) await publish(rows);
      pollMs = rows.length > 0 ? settings.busyPollMs : Math.min(pollMs * 2, settings.idlePollMs);
      return rows.length * 2 > settings.batchRowsMax ? 0 : pollMs; // A backlog waits for nothing.
    } finally {
      underWay = new Set();
    }
  };

  const publish = async (rows: readonly OutboxRow[]): Promise<void> => {
    const gids = () => rows.map(({ gid }) => gid);
    const records = rows.map((row) => recordOf(row, settings.topicPrefix));
    await faults.reach('relay.publish', 'before', gids);
    await faults.deliver('relay.publish', () => producer.publish(records), gids);
    await faults.reach('relay.publish', 'beforeCommit', gids);
    const marked = await outbox.markPublished(rows.map(({ id }) => id));
    metrics.published(database, marked);
    await faults.reach('relay.publish', 'afterCommit', gids);
  };

  const cleanUp = async (): Promise<number> => {
    const { keepSeconds, cleanUpRowsMax, cleanUpEveryMs } = settings;
    const rows = await outbox.forgetPublished(usable(), keepSeconds, cleanUpRowsMax);
    metrics.cleanedUp(database, rows);
    return rows === cleanUpRowsMax ? settings.idlePollMs : cleanUpEveryMs; // A backlog goes in small steps.
  };

  const repeated = (task: RelayTask, step: () => Promise<number>) =>
    repeat(step, {
      onFailure: (error, failures) => {
        metrics.failed(database, task);
        // Once an outage: it is repeated until it succeeds, and counted.
        if (failures === 1)
          logger.error({ err: error, database, task }, 'Relay failed; it goes on trying.');
      },
      onRecovery: (failures) => logger.info({ database, task, failures }, 'Relay works again.'),
    });

  let stop = (): Promise<void> => Promise.resolve();
  return {
    start() {
      const leases = repeated('lease', renewLeases);
      const publishing = repeated('publish', publishBatch);
      const cleaning = repeated('cleanUp', cleanUp);
      stop = async () => {
        await Promise.all([publishing.stop(), cleaning.stop()]);
        await leases.stop(); // Last: a batch under way still needs its lease to be marked.
        await outbox.releaseLeases().catch(() => undefined); // They run out by themselves.
      };
    },
    stop: () => stop(),
  };
}

const oldestOf = (rows: readonly OutboxRow[]): number =>
  Math.max(0, ...rows.map(({ ageMs }) => ageMs));

function recordOf(row: OutboxRow, topicPrefix: string): EventRecord {
  const envelope: Envelope<string, object> = {
    eventId: row.eventId,
    type: row.type,
    gid: row.gid,
    aggregateId: row.aggregateId,
    sequence: row.sequence,
    occurredAt: row.createdAt.toISOString(),
    data: row.payload,
  };
  return {
    topic: `${topicPrefix}${row.topic}`,
    key: row.aggregateId,
    value: JSON.stringify(envelope),
    headers: {
      [eventIdHeader]: row.eventId,
      [eventTypeHeader]: row.type,
      ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
    },
  };
}
