/** Looks at every service of every region, and tells the hub how it answers: what `GET /v1/regions` shows. */
import type { RegionAccess } from '../../activities/regions/switch/activities';
import {
  healthOf,
  lookAtServices,
  type ServiceLook,
} from '../../activities/regions/watch/service-probes';
import type { Placed, WatchStore } from '../../activities/regions/watch/store';
import { regionServices } from '../../contracts/regions/watch';
import { repeat, type Repetition } from '../../runtime/repeat';

const everyMs = 5_000;
/** A minute of them. */
const looksKept = 12;

interface ServiceHealthParts {
  readonly store: Pick<WatchStore, 'placed' | 'tellService'>;
  readonly regions: Readonly<Record<string, RegionAccess>>;
  readonly watchUrl: string;
  /** Clock of the hub. */
  readonly now: () => number;
}

/** No part of the watch: it goes on where no workflow can run, and nothing waits for it. */
export function startServiceHealth(
  { store, regions, watchUrl, now }: ServiceHealthParts,
  onFailure: (error: unknown) => void,
): Repetition {
  const known = new Map<string, readonly ServiceLook[]>();

  async function lookAt(
    region: string,
    access: RegionAccess,
    { region: active, policy }: Placed,
  ): Promise<void> {
    const looks = await lookAtServices({ access, isActive: region === active, watchUrl, now });
    for (const service of regionServices) {
      const name = `${region} ${service}`;
      const kept = [...(known.get(name) ?? []), looks[service]].slice(-looksKept);
      known.set(name, kept);
      const health = healthOf(kept, policy.failureThreshold);
      await store.tellService({ region, service, ...health });
    }
  }

  return repeat(
    async () => {
      const placed = await store.placed(); // Undefined: the hub does not know its regions yet.
      if (placed && placed.state !== 'failing-over')
        // A switch has better use for this process.
        await Promise.all(
          Object.entries(regions).map(([region, access]) => lookAt(region, access, placed)),
        );
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
