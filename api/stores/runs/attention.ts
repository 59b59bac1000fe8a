import type { Database } from '../database';
import { countOf } from './counting';

/** What waits for persons, of all tenants. `unbooked`: endings that left something to book. */
export interface Attention {
  readonly parked: number;
  readonly stuck: number;
  readonly unbooked: number;
}

/** For the health page; each is counted up to a thousand. */
export async function attention(database: Database): Promise<Attention> {
  const [parked, stuck, unbooked] = await Promise.all([
    countOf(database, attentionTo("state = 'parked'"), []),
    // An ending clears the mark, so only these states can bear it.
    countOf(
      database,
      attentionTo(
        `state IN ('accepted', 'running', 'undoing', 'parked') AND stuck_since > '1970-01-01'`,
      ),
      [],
    ),
    countOf(database, "SELECT 1 FROM runs WHERE by_hand = 'open' LIMIT 1000", []),
  ]);
  return { parked, stuck, unbooked };
}

const attentionTo = (condition: string): string =>
  `SELECT 1 FROM runs FORCE INDEX (attention) WHERE ${condition} LIMIT 1000`;
