import type { Registry } from 'prom-client';
import { z } from 'zod';

import { regionHealthSchema } from '../regions/region-health';
import type { Health, HealthChecks } from '../health';
import type { Api } from '../http/route-rules';

const status = z.enum(['healthy', 'degraded', 'unhealthy']);
const checks = z.array(
  z.object({
    name: z.string(),
    status,
    latencyMs: z.number(),
    lastError: z.string().nullable(),
  }),
);
const readinessSchema = z
  .object({ status, checks: z.array(z.object({ name: z.string(), status })) })
  .meta({ id: 'Readiness' });
const healthSchema = z
  .object({
    status,
    parked: z.number().nullable(),
    stuck: z.number().nullable(),
    /** Endings with a skipped step whose amounts are not booked. */
    unbooked: z.number().nullable(),
    timestamp: z.iso.datetime(),
    checks,
    /** Left out where the cluster is in one place. */
    regions: z
      .object({
        active: z.string(),
        epoch: z.number(),
        state: z.enum(['steady', 'failing-over', 'degraded']),
        /** A commit is acknowledged when a standby has it. */
        sync: z.boolean(),
        /** Levels of the regions, as the watch sees them. */
        levels: z.array(z.object({ region: z.string(), ...regionHealthSchema.shape })),
      })
      .optional(),
  })
  .meta({ id: 'Health' });

/** A balancer asks whether to send work here: degraded still takes it. */
const readyStatus: Readonly<Record<Health, 200 | 503>> = {
  healthy: 200,
  degraded: 200,
  unhealthy: 503,
};
const healthStatus: Readonly<Record<Health, 200 | 206 | 503>> = {
  healthy: 200,
  degraded: 206,
  unhealthy: 503,
};

export function probeRoutes(
  api: Api,
  { health, registry }: { health: HealthChecks; registry: Registry },
): void {
  api.get('/livez', {
    config: { rules: { kind: 'probe', scope: null, isFree: true } },
    schema: {
      summary: 'This process turns',
      response: { 200: z.object({ status: z.literal('alive') }) },
    },
    handler: () => ({ status: 'alive' as const }),
  });

  api.get('/readyz', {
    config: { rules: { kind: 'probe', scope: null } },
    schema: {
      summary: 'This process can take starts now',
      response: { 200: readinessSchema, 503: readinessSchema },
    },
    handler: async (_, reply) => {
      const readiness = await health.readiness();
      return reply.code(readyStatus[readiness.status]).send({
        status: readiness.status,
        checks: readiness.checks.map((check) => ({ name: check.name, status: check.status })),
      });
    },
  });

  api.get('/healthz', {
    config: { rules: { kind: 'probe', scope: 'ops:read', realm: 'any' } },
    schema: {
      summary: 'Health in detail',
      response: { 200: healthSchema, 206: healthSchema, 503: healthSchema },
    },
    handler: async (_, reply) => {
      const answer = await health.health();
      return reply
        .code(healthStatus[answer.status])
        .send({ ...answer, checks: [...answer.checks] });
    },
  });

  api.get('/metrics', {
    config: { rules: { kind: 'probe', scope: 'ops:read', realm: 'any', media: ['text/plain'] } },
    schema: { summary: 'Numbers for Prometheus' },
    handler: async (_, reply) => reply.type(registry.contentType).send(await registry.metrics()),
  });
}
