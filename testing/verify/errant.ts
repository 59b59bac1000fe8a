/**
 * I19: a standby has no SQL transaction that the active region lacks. MySQL itself would keep such a transaction
 * without an error, and bring it back at the next promotion.
 */
import { missingFrom, stateOf, withRegion } from '../../activities/regions/switch/mysql-region';
import { pause } from '../../runtime/waiting';
import type { Finding } from './findings';

/** Addresses for the administrator. */
export interface RegionServers {
  readonly active: string;
  /** By name. */
  readonly standbys: ReadonlyMap<string, string>;
}

const callMs = 5_000;
/** A standby may have applied what the active one has not finished: it waits for that very acknowledgement. */
const looks = 5;
const betweenMs = 200;

export async function findErrant({ active, standbys }: RegionServers): Promise<{
  readonly rows: number;
  readonly violations: readonly Finding[];
}> {
  const violations: Finding[] = [];
  for (const [region, url] of standbys) {
    const gtids = await errantOf(url, active);
    if (gtids !== '') violations.push({ database: 'accord', row: { region, gtids } });
  }
  return { rows: standbys.size, violations };
}

/** The standby first: the active one's set only grows. @returns empty: it has none. */
async function errantOf(standby: string, active: string): Promise<string> {
  const { executed } = await withRegion(standby, callMs, stateOf);
  let missing = '';
  for (let n = 0; n < looks; n += 1) {
    if (n > 0) await pause(betweenMs);
    missing = await withRegion(active, callMs, (region) => missingFrom(region, executed));
    if (missing === '') break;
  }
  return missing;
}
