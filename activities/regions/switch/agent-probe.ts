/** The second vantage point: the agent of a region writes into another region over the link between them. */
import { z } from 'zod';

import { exchange } from '../json-line';
import type { Probed } from '../watch/observation';

/** Address of a region over the link. An order has no credentials: the agent has its own. */
export const probeOrderSchema = z.strictObject({
  probe: z.strictObject({
    host: z.string().regex(/^[\w.-]{1,255}$/),
    port: z.number().int().min(1).max(65_535),
    withinMs: z.number().int().min(1).max(10_000),
  }),
});
export type ProbeOrder = z.infer<typeof probeOrderSchema>;

const answerSchema = z.object({
  ok: z.literal(true),
  probed: z.object({
    reads: z.boolean(),
    writes: z.boolean(),
    ms: z.number(),
    error: z.string().nullable(),
  }),
});

/** Additional time for the network. */
const graceMs = 300;

/** @returns `null`: the agent does not answer, or refuses, so its observation is unknown. */
export async function probeAlong(address: string, order: ProbeOrder): Promise<Probed | null> {
  try {
    const answer = await exchange(address, order, order.probe.withinMs + graceMs);
    return answerSchema.parse(answer).probed;
  } catch {
    return null;
  }
}
