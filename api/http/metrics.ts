import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Numbers of the API. Labels are few and fixed: route templates, never a path, a tenant or a gid. */
export function createMetrics(gauges: {
  readonly waiting: () => number;
  readonly backlog: () => number;
}) {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('accord_waiting_requests', 'Requests that wait for an ending.', gauges.waiting);
  gauge(
    'accord_start_backlog',
    'Accepted starts that wait for Temporal: not confirmed in time.',
    gauges.backlog,
  );
  return {
    registry,
    requests: new Counter({
      name: 'http_requests_total',
      help: 'Requests by method, route template and status.',
      labelNames: ['method', 'endpoint', 'status'] as const,
      registers,
    }),
    durations: new Histogram({
      name: 'http_request_duration_seconds',
      help: 'Time to the last byte of the answer.',
      labelNames: ['method', 'endpoint'] as const,
      registers,
    }),
    starts: new Counter({
      name: 'accord_starts_total',
      help: 'Starts by operation and outcome: accepted, replayed, or the code of the problem.',
      labelNames: ['operation', 'outcome'] as const,
      registers,
    }),
    brokenGlass: new Counter({
      name: 'accord_broken_glass_total',
      help: 'Actions that wanted two persons and were done by one, by kind.',
      labelNames: ['kind'] as const,
      registers,
    }),
    refused: new Counter({
      name: 'accord_requests_refused_total',
      help: 'Requests refused before their handler: limited, shed.',
      labelNames: ['cause'] as const,
      registers,
    }),
  };
}
export type Metrics = ReturnType<typeof createMetrics>;
