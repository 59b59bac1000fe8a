import { Counter, Gauge, type Registry } from 'prom-client';

export type RelayTask = 'lease' | 'publish' | 'cleanUp';

/** What a relay tells about itself. */
export interface RelayMetrics {
  /** Age of the oldest event that this relay has to publish; 0 when there is none. */
  lag(database: string, seconds: number): void;
  published(database: string, rows: number): void;
  cleanedUp(database: string, rows: number): void;
  failed(database: string, task: RelayTask): void;
}

export function createRelayMetrics(registry: Registry): RelayMetrics {
  const registers = [registry];
  const lag = new Gauge({
    name: 'accord_outbox_lag_seconds',
    help: 'Age of the oldest event that this relay has to publish.',
    labelNames: ['database'],
    registers,
  });
  const published = new Counter({
    name: 'accord_outbox_published_total',
    help: 'Outbox rows that Kafka has acknowledged.',
    labelNames: ['database'],
    registers,
  });
  const cleanedUp = new Counter({
    name: 'accord_outbox_cleaned_up_total',
    help: 'Published outbox rows that were deleted after their keep time.',
    labelNames: ['database'],
    registers,
  });
  const failures = new Counter({
    name: 'accord_relay_failures_total',
    help: 'Tries that failed and are repeated.',
    labelNames: ['database', 'task'],
    registers,
  });
  return {
    lag: (database, seconds) => lag.set({ database }, seconds),
    published: (database, rows) => published.inc({ database }, rows),
    cleanedUp: (database, rows) => cleanedUp.inc({ database }, rows),
    failed: (database, task) => failures.inc({ database, task }),
  };
}
