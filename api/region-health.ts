import { z } from 'zod';

import { healthLevels, vantages, type HealthLevel } from '../contracts/region-watch';
import type { RegionSight } from './stores/watch-store';

const levelSchema = z.enum(healthLevels);

/** A region as the watch sees it. */
export const regionHealthSchema = z.object({
  /** `UNHEALTHY` only where every vantage point says so; `null`: nobody looks. */
  level: levelSchema.nullable(),
  vantages: z.array(
    z.object({
      vantage: z.enum(vantages),
      level: levelSchema,
      /** Of a write, where it is the active one; of a look, where it stands by. */
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
  sights: readonly RegionSight[],
  region: string,
  isAlone: boolean,
): RegionHealth {
  const own = sights.filter((sight) => sight.region === region);
  const seen = own.map(({ vantage, level, latencyMs, lagMs, lastError, seenAt }) => ({
    ...{ vantage, level, latencyMs, lagMs, lastError },
    seenAt: seenAt.toISOString(),
  }));
  return { level: levelOf(own, isAlone), vantages: seen };
}

function levelOf(own: readonly RegionSight[], isAlone: boolean): HealthLevel | null {
  if (own.length === 0) return null;
  if (own.every(({ level }) => level === 'UNHEALTHY')) return 'UNHEALTHY';
  return !isAlone && own.every(({ level }) => level === 'HEALTHY') ? 'HEALTHY' : 'DEGRADED';
}
