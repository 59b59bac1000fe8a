/** Looks at every service of every region, and tells the hub how it answers: what `GET /v1/regions` shows. */
import type { RegionAccess } from '../../activities/regions/activities';
import { healthOf, lookAtServices, type ServiceLook } from '../../activities/regions/service-looks';
import type { WatchStore } from '../../activities/regions/watch-store';
import { regionServices } from '../../contracts/region-watch';
import { repeat, type Repetition } from '../repeat';

const everyMs = 2_000;
/** A minute of them. */
const looksKept = 30;

interface ServiceHealthParts {
  readonly store: Pick<WatchStore, 'placed' | 'tellService'>;
  readonly regions: Readonly<Record<string, RegionAccess>>;
  readonly watchUrl: string;
}

/** No part of the watch: it goes on where no workflow can run, and nothing waits for it. */
export function startServiceHealth(
  { store, regions, watchUrl }: ServiceHealthParts,
  onFailure: (error: unknown) => void,
): Repetition {
  const known = new Map<string, readonly ServiceLook[]>();

  async function lookAt(region: string, access: RegionAccess): Promise<void> {
    const placed = await store.placed();
    if (!placed) return; // The hub does not know its regions yet.
    const isActive = region === placed.region;
    const looks = await lookAtServices({ access, isActive, watchUrl });
    for (const service of regionServices) {
      const name = `${region} ${service}`;
      const kept = [...(known.get(name) ?? []), looks[service]].slice(-looksKept);
      known.set(name, kept);
      const health = healthOf(kept, placed.policy.failureThreshold);
      await store.tellService({ region, service, ...health });
    }
  }

  return repeat(
    async () => {
      await Promise.all(Object.entries(regions).map((each) => lookAt(...each)));
      return everyMs;
    },
    {
      onFailure: (error, failures) => {
        if (failures === 1) onFailure(error); // Once an outage of the hub.
      },
      onRecovery: () => undefined,
    },
  );
}
