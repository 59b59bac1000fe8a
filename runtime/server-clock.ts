/**
 * One clock for times that are compared across machines. The API sets deadlines, MySQL stores them, and Temporal
 * compares them. With the clock of a machine that is 90 s behind, every order with 60 s would be undone.
 */
import type { OwnedDatabase } from './installation';
import type { BrokenPremise, PremiseSource } from './premises';

/** Milliseconds since 1970. */
export type Now = () => number;

export interface ServerClock {
  /**
   * The time of the database, continued by a clock that does not jump. Before the first check: the machine's own time.
   */
  readonly now: Now;
  /** Checks again. It corrects a difference up to the bound, and refuses a machine beyond it. */
  readonly premises: PremiseSource;
}

/** Number of measurements. The quickest one counts, because its answer is the least late. */
const looks = 3;

/**
 * @param boundMs how far the machine's clock may be from the database's.
 * @param local the machine's clock.
 */
export function createServerClock(
  database: OwnedDatabase,
  boundMs: number,
  local: Now = Date.now,
): ServerClock {
  const steady = (): number => performance.now();
  let aheadOfSteady: number | undefined;

  async function look(): Promise<{ readonly ahead: number; readonly tookMs: number }> {
    const began = steady();
    const at = await timeOf(database);
    const ended = steady();
    return { ahead: at - (began + ended) / 2, tookMs: ended - began };
  }

  return {
    now: () => (aheadOfSteady === undefined ? local() : Math.round(aheadOfSteady + steady())),
    premises: {
      server: 'clock',
      async ask() {
        let best = await look();
        for (let more = looks - 1; more > 0; more -= 1) {
          const next = await look();
          if (next.tookMs < best.tookMs) best = next;
        }
        aheadOfSteady = best.ahead;
        const differsMs = local() - (best.ahead + steady());
        return farFrom("this machine's clock", 'the clock of MySQL', differsMs, boundMs);
      },
    },
  };
}

/** @returns the time of the database, in milliseconds since 1970, with fractions. */
export async function timeOf(database: Pick<OwnedDatabase, 'select'>): Promise<number> {
  const [row] = await database.select<{ readonly us: string }>(
    `SELECT CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) AS CHAR) AS us`,
  );
  if (!row) throw new Error('MySQL tells no time.');
  return Number(row.us) / 1_000;
}

/** @param differsMs how far ahead the first is; negative: behind. */
export function farFrom(
  product: string,
  of: string,
  differsMs: number,
  boundMs: number,
): readonly BrokenPremise[] {
  if (Math.abs(differsMs) <= boundMs) return [];
  const seconds = (Math.abs(differsMs) / 1_000).toFixed(1);
  return [
    {
      ...{ product, version: 'UTC', isRequired: true, setting: 'clock' },
      found: `${seconds} s ${differsMs > 0 ? 'ahead of' : 'behind'} ${of}`,
      wanted: `within ${Math.round(boundMs / 1_000)} s`,
      remedy: 'Let NTP or chrony keep both.',
    },
  ];
}
