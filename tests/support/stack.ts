import type { Stack } from '../../testing/stack/stack';
import { readStack } from '../../testing/stack/stack';

/** The servers of the tests. `npm test` brings them up; by hand: `npm run stack -- up --profile test`. */
export async function testStack(): Promise<Stack> {
  const stack = await readStack('test');
  if (!stack) throw new Error('No test servers. Bring them up: npm run stack -- up --profile test');
  return stack;
}
