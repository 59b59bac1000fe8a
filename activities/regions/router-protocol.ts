/** What the router is asked, and what it answers: one JSON line each. Its routes are its interface. */
import { z } from 'zod';

export const routeNames = [
  // To the active region: what clients use, unaware of which one it is.
  'mysql',
  'redis',
  // Routes to one fixed region.
  'kafka-a',
  'kafka-b',
  // From the hub to one region: what a failover itself uses.
  'hub-mysql-a',
  'hub-mysql-b',
  'hub-redis-a',
  'hub-redis-b',
  // Links: the standby pulls along them from the region that is named first.
  'mysql-a-to-b',
  'mysql-b-to-a',
  'redis-a-to-b',
  'redis-b-to-a',
] as const;
export type RouteName = (typeof routeNames)[number];

/**
 * `open` forwards. `closed`: new connections are reset, old ones live on. `blackhole`: nothing passes, and nobody is told;
 * `requests-only` and `answers-only` are its halves.
 */
export const routeStates = [
  'open',
  'closed',
  'blackhole',
  'requests-only',
  'answers-only',
] as const;
export type RouteState = (typeof routeStates)[number];

/** What the router is told, or only asked. All of one order is done, or none of it. */
export const routerOrderSchema = z.union([
  z.strictObject({ show: z.literal(true) }),
  z.strictObject({
    routes: z.array(z.enum(routeNames)).min(1),
    state: z.enum(routeStates).optional(),
    /** Resets every session that is open: pools are sticky, and a closed route alone leaves them where they are. */
    cut: z.boolean().optional(),
    /** Where new connections go: `host:port`. */
    target: z
      .string()
      .regex(/^[\w.-]+:\d{1,5}$/)
      .optional(),
    /** Each way. */
    latencyMs: z.number().min(0).max(60_000).optional(),
    /** Epoch of the sender. A route that has obeyed a later epoch refuses the order. */
    epoch: z.number().int().positive().optional(),
  }),
]);
export type RouterOrder = z.infer<typeof routerOrderSchema>;

const routeViewSchema = z.object({
  name: z.enum(routeNames),
  state: z.enum(routeStates),
  target: z.string(),
  latencyMs: z.number(),
  epoch: z.number(),
  /** Open now; accepted and refused so far. */
  sessions: z.number(),
  accepted: z.number(),
  refused: z.number(),
});
export type RouteView = z.infer<typeof routeViewSchema>;

export const routerAnswerSchema = z.union([
  z.object({ ok: z.literal(true), routes: z.array(routeViewSchema) }),
  /** `epoch` where the order was one of an epoch that is over. */
  z.object({ ok: z.literal(false), error: z.string(), epoch: z.number().optional() }),
]);
export type RouterAnswer = z.infer<typeof routerAnswerSchema>;
