import type { Books, Runner } from '../invariants/runner';
import type { Now } from '../runtime/server-clock';
import { withinDeadline } from './http/deadline';
import { dependencyUnavailable } from './http/errors';

/** The books as an operator is shown them. */
export interface Invariants {
  /** @throws Problem `dependency_unavailable` where the databases do not answer in time. */
  look(): Promise<BooksSeen>;
}

export interface BooksSeen {
  /** When the round began. */
  readonly at: Date;
  readonly books: Books;
}

/** A caller that asks again sooner gets the last answer again: reading must not become load. */
const cacheMs = 1_000;
const answerMs = 4_000; // Within the handler's five seconds.

/** One round runs at a time, for all callers. A late round goes on, and no second one begins beside it. */
export function createInvariants(pack: Runner, now: Now): Invariants {
  let last: (BooksSeen & { readonly askedAt: number }) | undefined;
  let asking: Promise<BooksSeen> | undefined;

  async function ask(): Promise<BooksSeen> {
    const [at, askedAt] = [new Date(now()), performance.now()];
    last = { at, askedAt, books: await pack.check(['moment', 'ended', 'late']) };
    return last;
  }

  return {
    async look() {
      if (!pack.isOpen)
        throw dependencyUnavailable('mysql', new Error('API_BOOKS_DATABASE_URLS is not set.'));
      if (last && performance.now() - last.askedAt < cacheMs) return last;
      asking ??= ask().finally(() => (asking = undefined));
      const current = asking;
      try {
        return await withinDeadline(
          answerMs,
          () => current,
          () => new Error(`No answer within ${answerMs} ms.`),
        );
      } catch (error) {
        throw dependencyUnavailable('mysql', error);
      }
    },
  };
}
