import type { ProbeOrder } from '../../activities/regions/switch/agent-probe';
import { heartbeat } from '../../activities/regions/watch/probe';
import type { Probed } from '../../activities/regions/watch/observation';
import { databasePrefix } from '../../runtime/databases/names';
import { secret, type Region } from '../stack/profile';

let known: Promise<string> | undefined;

/** Read once, from the profile's own secrets: neither an order nor an argument of a process bears it. */
function password(): Promise<string> {
  if (known) return known;
  known = secret('regions', 'mysql-watch');
  known.catch(() => (known = undefined));
  return known;
}

/** What another region's MySQL answers to a heartbeat of this region's agent, along the link between them. */
export async function probeFrom(region: Region, { probe }: ProbeOrder): Promise<Probed> {
  const url = new URL(`mysql://${probe.host}:${probe.port}/${databasePrefix}orders`);
  url.username = `${databasePrefix}watch`;
  url.password = await password();
  return heartbeat(url.toString(), `agent-${region}`, probe.withinMs);
}
