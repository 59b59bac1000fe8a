import { Counter, Gauge, type Registry } from 'prom-client';

/** What a consumer tells about itself. */
export interface ConsumerMetrics {
  applied(events: number): void;
  duplicate(events: number): void;
  buried(): void;
  failed(): void;
  lag(partition: number, records: number): void;
}

export function createConsumerMetrics(registry: Registry, consumer: string): ConsumerMetrics {
  const registers = [registry];
  const events = new Counter({
    name: 'accord_consumer_events_total',
    help: 'Events by what became of them: applied, duplicate (consumed before), buried (a dead letter).',
    labelNames: ['consumer', 'outcome'],
    registers,
  });
  const failures = new Counter({
    name: 'accord_consumer_failures_total',
    help: 'Tries that failed and are repeated.',
    labelNames: ['consumer'],
    registers,
  });
  const lag = new Gauge({
    name: 'accord_consumer_lag_records',
    help: 'Records that wait in a partition.',
    labelNames: ['consumer', 'partition'],
    registers,
  });
  return {
    applied: (count) => events.inc({ consumer, outcome: 'applied' }, count),
    duplicate: (count) => events.inc({ consumer, outcome: 'duplicate' }, count),
    buried: () => events.inc({ consumer, outcome: 'buried' }),
    failed: () => failures.inc({ consumer }),
    lag: (partition, records) => lag.set({ consumer, partition }, records),
  };
}
