/**
 * The router of a cluster: a TCP line for each route, that leads where it is told. It switches traffic and is no fence:
 * who knows the server's own port goes round it. What it was told last outlives its own death.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

import {
  routeNames,
  routerOrderSchema,
  routeStates,
  type RouteName,
  type RouterAnswer,
  type RouterOrder,
  type RouteState,
  type RouteView,
} from '../../activities/regions/router-protocol';
import { createProxy, type Passing, type Proxy } from '../../runtime/tcp-proxy/proxy';
import { ConfigurationError } from '../../runtime/environment';
import { reasonOf } from '../../runtime/waiting';
import { writeJson } from '../../runtime/whole-file';
import { serveLines } from '../../runtime/json-lines';
import type { Routes } from './config';

const keptSchema = z.partialRecord(
  z.enum(routeNames),
  z.object({
    state: z.enum(routeStates),
    target: z.string(),
    latencyMs: z.number(),
    epoch: z.number(),
  }),
);
type Kept = z.infer<typeof keptSchema>;

interface Route {
  readonly name: RouteName;
  readonly proxy: Proxy;
  state: RouteState;
  target: URL;
  latencyMs: number;
  epoch: number;
}

export interface Router {
  /** Port of the control. */
  readonly port: number;
  close(): Promise<void>;
}

export async function startRouter({
  routes,
  controlPort,
  stateFile,
}: {
  readonly routes: Routes;
  readonly controlPort: number;
  readonly stateFile: string;
}): Promise<Router> {
  const kept = readKept(stateFile);
  const opened = new Map<RouteName, Route>();
  for (const name of routeNames) opened.set(name, await openRoute(name, routes[name], kept[name]));
  const obey = (order: RouterOrder): RouterAnswer => {
    if ('show' in order) return { ok: true, routes: [...opened.values()].map(viewOf) };
    const named = order.routes.flatMap((name) => opened.get(name) ?? []);
    const { epoch } = order;
    const later = named.find((route) => epoch !== undefined && route.epoch > epoch);
    if (later) return { ok: false, error: `epoch ${epoch} is over`, epoch: later.epoch };
    for (const route of named) apply(route, order);
    writeKept(stateFile, opened);
    return { ok: true, routes: named.map(viewOf) };
  };
  const control = await listen(controlPort, (socket) =>
    serveLines(socket, (order) => answerTo(order, obey)),
  );
  const address = control.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    async close() {
      await new Promise<void>((resolve) => control.close(() => resolve()));
      await Promise.all([...opened.values()].map(({ proxy }) => proxy.close()));
    },
  };
}

async function openRoute(
  name: RouteName,
  { port, target: first }: Routes[RouteName],
  kept: Kept[RouteName],
): Promise<Route> {
  const target = new URL(kept?.target ?? first);
  const proxy = await createProxy({ target: target.toString(), port });
  const route = {
    name,
    proxy,
    target,
    state: 'open' as const,
    latencyMs: 0,
    epoch: kept?.epoch ?? 0,
  };
  if (kept) apply(route, { routes: [name], state: kept.state, latencyMs: kept.latencyMs });
  return route;
}

type Told = Exclude<RouterOrder, { readonly show: true }>;

/** First what new connections meet, then the end of the old ones: none may slip through to where they came from. */
function apply(route: Route, { state, cut, target, latencyMs, epoch }: Told): void {
  const { proxy } = route;
  if (epoch !== undefined) route.epoch = epoch;
  if (target !== undefined) {
    route.target = new URL(`${route.target.protocol}//${target}`);
    proxy.retarget(route.target.toString());
  }
  if (latencyMs !== undefined) {
    route.latencyMs = latencyMs;
    proxy.latency(latencyMs);
  }
  if (state !== undefined) {
    route.state = state;
    proxy.refuse(state === 'closed');
    proxy.pass(passingOf(state));
  }
  if (cut === true) proxy.reset();
}

function passingOf(state: RouteState): Passing {
  switch (state) {
    case 'open':
    case 'closed':
      return 'open';
    case 'blackhole':
      return 'blackhole';
    case 'requests-only':
      return 'requestsOnly';
    case 'answers-only':
      return 'answersOnly';
  }
}

function viewOf({ name, proxy, state, target, latencyMs, epoch }: Route): RouteView {
  const { open, accepted, refused } = proxy.counters();
  return { name, state, target: target.host, latencyMs, epoch, sessions: open, accepted, refused };
}

function answerTo(order: unknown, obey: (order: RouterOrder) => RouterAnswer): RouterAnswer {
  try {
    return obey(routerOrderSchema.parse(order));
  } catch (error) {
    return { ok: false, error: reasonOf(error) };
  }
}

function listen(port: number, onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer(onSocket);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/**
 * @throws where it cannot be read, or is damaged: a router that guesses would lead clients to a region that was left.
 */
function readKept(file: string): Kept {
  if (!existsSync(file)) return {}; // The first start.
  const text = readFileSync(file, 'utf8');
  try {
    return keptSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ConfigurationError(
      `${file} is damaged, and it alone says where the routes lead: remove it where region a is the active one, for without it they lead there.`,
      { cause },
    );
  }
}

/** Whole at every time: a router that dies in the middle finds the old orders, or the new ones. */
function writeKept(file: string, routes: ReadonlyMap<RouteName, Route>): void {
  const kept = Object.fromEntries(
    [...routes].map(([name, { state, target, latencyMs, epoch }]) => [
      name,
      { state, target: target.toString(), latencyMs, epoch },
    ]),
  );
  writeJson(file, kept);
}
