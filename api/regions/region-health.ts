import { z } from 'zod';

import {
  healthLevels,
  regionServices,
  vantages,
  type HealthLevel,
} from '../../contracts/regions/watch';
import type { RegionObservation, ServiceObservation } from '../stores/watch-store';

const levelSchema = z.enum(healthLevels);

/** A region as the watch sees it. */
export const regionHealthSchema = z.object({
  /** `UNHEALTHY` only where every vantage point says so; `null`: there is no recent observation. */
  level: levelSchema.nullable(),
  vantages: z.array(
    z.object({
      vantage: z.enum(vantages),
      level: levelSchema,
      /** Latency of a write in the active region, and of a probe in a standby. */
      latencyMs: z.number().nullable(),
      lagMs: z.number().nullable(),
      lastError: z.string().nullable(),
      seenAt: z.iso.datetime(),
    }),
  ),
});
export type RegionHealth = z.infer<typeof regionHealthSchema>;

/** @param isAlone it is the active one, and no standby has what it acknowledges. */
export function regionHealthOf(
  observations: readonly RegionObservation[],
  region: string,
  isAlone: boolean,
): RegionHealth {
  const own = observations.filter((observation) => observation.region === region);
  const seen = own.map(({ vantage, level, latencyMs, lagMs, lastError, seenAt }) => ({
    ...{ vantage, level, latencyMs, lagMs, lastError },
    seenAt: seenAt.toISOString(),
  }));
  return { level: levelOf(own, isAlone), vantages: seen };
}

/** How its services answer the hub. */
export const regionServicesSchema = z.array(
  z.object({
    service: z.enum(regionServices),
    level: levelSchema,
    /** Latency of the last probe that was answered. */
    latencyMs: z.number().nullable(),
    /** Share of the looks of the last minute that failed, 0 to 1. */
    errorRate: z.number(),
    /** Lag behind the active region. */
    lagMs: z.number().nullable(),
    /** Also where it is over. */
    lastError: z.string().nullable(),
    seenAt: z.iso.datetime(),
  }),
);

export const regionServicesOf = (
  seen: readonly ServiceObservation[],
  region: string,
): z.infer<typeof regionServicesSchema> =>
  seen
    .filter((service) => service.region === region)
    .map(({ service, level, latencyMs, errorPercent, lagMs, lastError, seenAt }) => ({
      ...{ service, level, latencyMs, errorRate: errorPercent / 100, lagMs, lastError },
      seenAt: seenAt.toISOString(),
    }));

function levelOf(own: readonly RegionObservation[], isAlone: boolean): HealthLevel | null {
  if (own.length === 0) return null;
  if (own.every(({ level }) => level === 'UNHEALTHY')) return 'UNHEALTHY';
  return !isAlone && own.every(({ level }) => level === 'HEALTHY') ? 'HEALTHY' : 'DEGRADED';
}
