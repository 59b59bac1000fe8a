/** Requests to the router and its answers, one JSON line each. Its routes are its interface. */
import { z } from 'zod';

export const routeNames = [
  // Routes to the active region. Clients use them, and need not know which region is active.
  'mysql',
  'redis',
  // Routes to one fixed region.
  'kafka-a',
  'kafka-b',
  // Routes from the hub to one region. A failover uses them.
  'hub-mysql-a',
  'hub-mysql-b',
  'hub-redis-a',
  'hub-redis-b',
  // Links: over them the standby replicates from the region that is named first.
  'mysql-a-to-b',
  'mysql-b-to-a',
  'redis-a-to-b',
  'redis-b-to-a',
] as const;
export type RouteName = (typeof routeNames)[number];

/**
 * `open` forwards. `closed`: new connections are reset, open ones continue. `blackhole`: nothing passes, without an
 * error. `requests-only` and `answers-only` let one direction pass.
 */
export const routeStates = [
  'open',
  'closed',
  'blackhole',
  'requests-only',
  'answers-only',
] as const;
export type RouteState = (typeof routeStates)[number];

/** An order to the router, or a query. The router obeys all of one order, or none of it. */
export const routerOrderSchema = z.union([
  z.strictObject({ show: z.literal(true) }),
  z.strictObject({
    routes: z.array(z.enum(routeNames)).min(1),
    state: z.enum(routeStates).optional(),
    /** Resets every open session. A closed route alone would leave the connections of pools open. */
    cut: z.boolean().optional(),
    /** Target of new connections: `host:port`. */
    target: z
      .string()
      .regex(/^[\w.-]+:\d{1,5}$/)
      .optional(),
    /** Delay in each direction. */
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
  /** Sessions that are open now; numbers of accepted and refused ones so far. */
  sessions: z.number(),
  accepted: z.number(),
  refused: z.number(),
});
export type RouteView = z.infer<typeof routeViewSchema>;

export const routerAnswerSchema = z.union([
  z.object({ ok: z.literal(true), routes: z.array(routeViewSchema) }),
  /** `epoch`: the order had an older epoch than this one. */
  z.object({ ok: z.literal(false), error: z.string(), epoch: z.number().optional() }),
]);
export type RouterAnswer = z.infer<typeof routerAnswerSchema>;
