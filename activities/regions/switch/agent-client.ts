/** Orders to a region's agent: the process that can kill and start its servers. */
import { z } from 'zod';

import { exchange } from '../json-line';

export type AgentOrder =
  /** MySQL is dead when this is answered. */
  | { readonly kill: true }
  /** MySQL answers when this is answered, read-only: it does not know its role. */
  | { readonly start: true }
  /** Writes down what its binary logs say of these transactions. */
  | { readonly export: string };

const answerSchema = z.union([
  z.object({ ok: z.literal(true), file: z.string().optional() }),
  z.object({ ok: z.literal(false), error: z.string() }),
]);

/**
 * @returns the file of an export.
 * @throws where it does not answer in time: it may have obeyed. Safe to repeat.
 */
export async function askAgent(
  address: string,
  order: AgentOrder,
  withinMs: number,
): Promise<string | undefined> {
  const answer = answerSchema.parse(await exchange(address, order, withinMs));
  if (!answer.ok) throw new Error(`The agent at ${address} has refused: ${answer.error}`);
  return answer.file;
}
