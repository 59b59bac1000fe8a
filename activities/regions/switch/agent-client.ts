/** Orders to a region's agent: the process that can kill and start its servers. */
import { z } from 'zod';

import { exchange } from '../json-line';

export type AgentOrder =
  /** The answer means: MySQL is dead. */
  | { readonly kill: true }
  /** The answer means: MySQL answers, and is read-only, because it does not know its role. */
  | { readonly start: true }
  /** Writes these SQL transactions from its binary logs to a file. */
  | { readonly export: string };

const answerSchema = z.union([
  z.object({ ok: z.literal(true), file: z.string().optional() }),
  z.object({ ok: z.literal(false), error: z.string() }),
]);

/**
 * @returns the file of an export.
 * @throws if the agent does not answer in time: it may have obeyed. Safe to repeat.
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
