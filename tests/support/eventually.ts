import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits until `look` answers with something other than `undefined`, `false` or an error, and answers with it.
 * @throws the last error, or one that says what was waited for, when `withinMs` have passed.
 */
export async function eventually<Result>(
  look: () => Promise<Result | undefined | false> | Result | undefined | false,
  { withinMs = 10_000, what = 'the condition' }: { withinMs?: number; what?: string } = {},
): Promise<Result> {
  const end = Date.now() + withinMs;
  let failure: unknown = new Error(`Waited ${withinMs} ms in vain for ${what}.`);
  do {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
    } catch (error) {
      failure = error;
    }
    await delay(20);
  } while (Date.now() < end);
  throw failure;
}
