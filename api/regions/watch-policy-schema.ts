import { z } from 'zod';

import type { WatchPolicy } from '../../contracts/regions/watch';

/** What a watch may do by itself: bounds that keep it from flapping, and from waiting for ever. */
export const watchPolicySchema = z
  .strictObject({
    autoFailover: z.boolean(),
    // Three looks of the watch, which looks each half second: one that was slow is no region that is lost.
    failureThreshold: z.int().min(3).max(20),
    unhealthyMs: z.int().min(1_500).max(60_000),
    maxAttempts: z.int().min(0).max(10),
    priorities: z
      .array(
        z.string().regex(/^[a-z0-9-]{1,16}$/, 'must be 1 to 16 small letters, digits or dashes'),
      )
      .max(16),
    dataSyncTimeoutSeconds: z.int().min(1).max(60),
  })
  .meta({ id: 'WatchPolicy' }) satisfies z.ZodType<WatchPolicy>;
