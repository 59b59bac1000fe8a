/** What an application adds to the API. */
import type { FastifyBaseLogger } from 'fastify';

import type { Application } from '../contracts/engine/application';
import type { Checks } from '../invariants/checks';
import type { Config, OwnVariables } from './config';
import type { Cursors } from './http/cursor';
import type { LineGuard } from './http/guards';
import type { Api } from './http/route-rules';
import type { FlowStart } from './routes/flow-start';
import type { Database } from './stores/database';
import type { RunsStore } from './stores/runs-store';
import type { Starts } from './transactions/starts';
import type { Steering } from './transactions/steering';

/**
 * Opens a database of the application for reading. Before the API serves, it is asked for its premises, and whether it
 * is of this installation.
 *
 * @param name of its participant.
 */
export type OpenDatabase = (name: string, url: string) => Database;

/** What routes of an application may ask the API for; `stores` are its own, and `config` has its own settings. */
export interface ApiServices<Own extends object = object, Stores = unknown> {
  readonly config: Config & Own;
  readonly stores: Stores;
  readonly starts: Starts;
  /** Stands before each line of a start route's bulk. */
  readonly lines: LineGuard;
  readonly steering: Steering;
  readonly runs: RunsStore;
  readonly cursors: Cursors;
  readonly logger: FastifyBaseLogger;
}

/** An application as the API serves it; all but the application may be left out. */
export interface ApiParts<Own extends object = object, Stores = unknown> {
  readonly application: Application;
  /** Start routes of its flows. */
  readonly starts?: readonly FlowStart[];
  /** Its environment variables. */
  readonly variables?: OwnVariables<Own>;
  /** What its routes read of its databases. */
  readonly stores?: (config: Config & Own, open: OpenDatabase) => Stores;
  /** Checks of its participants, beside those that every application has. */
  readonly checks?: Checks;
  /** Its routes: within authentication, limits, problems and OpenAPI as those of the API are. */
  readonly routes?: (api: Api, services: ApiServices<Own, Stores>) => void;
}
