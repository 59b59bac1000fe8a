import { backoffMs } from '../../runtime/backoff';
import type { ConsumedRecord, DeadLetterStore } from './dead-letter-store';

/** What a consumer does with its events. */
export interface Projection<Change> {
  /** @throws where the record can never be read. */
  read(record: ConsumedRecord): Change;
  /**
   * Applies the changes in one SQL transaction; safe to repeat.
   * @returns how many were new.
   */
  apply(changes: readonly Change[]): Promise<number>;
  /** The data is at fault, not the way to the database: to try again for ever would block all that come behind. */
  isContentError(error: unknown): boolean;
}

export interface ProcessorObserver {
  /** `duplicates`: consumed before. */
  applied(fresh: number, duplicates: number): void;
  buried(record: ConsumedRecord, error: unknown): void;
  /** The database is out of reach: everything waits. `failures` in a row. */
  failed(error: unknown, failures: number): void;
}

/** The consumer that the records are processed for. */
export interface ProcessingContext {
  isRunning(): boolean;
  /** Keeps the membership in the group. @throws when the partitions are being handed out anew. */
  heartbeat(): Promise<void>;
  pause(ms: number): Promise<void>;
}

/** Tries of an event that the database refuses: most such refusals are final, the rest are races that end at once. */
const attemptsMax = 3;
const pauseMs = { first: 100, max: 2_000 } as const;

export interface EventProcessor {
  /**
   * Applies the records or buries them as dead letters, all of them; waits out an outage for as long as it takes.
   * @returns false when the consumer was stopped before that: none of them may be committed.
   */
  process(records: readonly ConsumedRecord[], context: ProcessingContext): Promise<boolean>;
}

export function createEventProcessor<Change>({
  projection,
  deadLetters,
  observer,
}: {
  readonly projection: Projection<Change>;
  readonly deadLetters: DeadLetterStore;
  readonly observer: ProcessorObserver;
}): EventProcessor {
  /** A record with what it says. */
  interface Readable {
    readonly record: ConsumedRecord;
    readonly change: Change;
  }

  const bury = async (record: ConsumedRecord, error: unknown, attempts: number): Promise<void> => {
    await deadLetters.bury(record, { error: describe(error), attempts });
    observer.buried(record, error);
  };

  const readAll = async (records: readonly ConsumedRecord[]): Promise<readonly Readable[]> => {
    const readable: Readable[] = [];
    for (const record of records) {
      let change: Change;
      try {
        change = projection.read(record);
      } catch (error) {
        await bury(record, error, 1); // What cannot be read now cannot be read a second time.
        continue;
      }
      readable.push({ record, change });
    }
    return readable;
  };

  const applySet = async (set: readonly Readable[]): Promise<void> => {
    if (set.length === 0) return;
    const fresh = await projection.apply(set.map(({ change }) => change));
    observer.applied(fresh, set.length - fresh);
  };

  const applyAlone = async (one: Readable, context: ProcessingContext): Promise<void> => {
    for (let attempts = 1; ; attempts += 1) {
      try {
        await applySet([one]);
        return;
      } catch (error) {
        if (!projection.isContentError(error)) throw error;
        if (attempts === attemptsMax) {
          await bury(one.record, error, attempts);
          return;
        }
      }
      await context.pause(backoffMs(attempts, pauseMs));
    }
  };

  /** A set that the database refuses is taken one by one, so that only the culprit stays behind. */
  const applyAll = async (set: readonly Readable[], context: ProcessingContext): Promise<void> => {
    try {
      await applySet(set);
    } catch (error) {
      if (!projection.isContentError(error)) throw error;
      for (const one of set) await applyAlone(one, context);
    }
  };

  return {
    async process(records, context) {
      for (let failures = 0; context.isRunning();) {
        try {
          await applyAll(await readAll(records), context);
          return true;
        } catch (error) {
          failures += 1;
          observer.failed(error, failures);
        }
        await context.heartbeat();
        await context.pause(backoffMs(failures, pauseMs));
      }
      return false;
    },
  };
}

const describe = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
