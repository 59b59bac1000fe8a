import type { Profile, ServerName } from '../profile';
import type { Progress } from '../progress';

/** A program that can run a server: `file` with `args` before those of the server itself. */
export interface Program {
  readonly file: string;
  readonly args: readonly string[];
  /** For people: `MySQL 9.7.4`. */
  readonly version: string;
}

/** What a server of this checkout is started with. */
export interface Context {
  readonly profile: Profile;
  readonly folder: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly passwords: { readonly mysql: string; readonly redis: string };
  readonly progress: Progress;
}

export interface Launch {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A file that is its standard input; without one that is empty. */
  readonly input?: string;
}

/** What `up` must know of one server; everything else is the same for all of them. */
export interface Server {
  readonly name: ServerName;
  readonly title: string;
  /** The first one is the address, the others are its own affair. */
  readonly portNames: readonly string[];
  readonly readyWithinMs: number;
  /** The environment variable that names a server of somebody else's; without one it is always ours. */
  readonly variable?: string;
  /** Whether docker-compose.yml has it. */
  readonly isInCompose: boolean;
  /** What to install when no other way works. */
  readonly program: string;
  readonly given: () => string | undefined;
  /** The address of the server that this checkout starts, natively or by Docker. */
  readonly addressOf: (context: Context) => string;
  /** @throws with the reason when PATH holds none that is new enough. */
  readonly findOnPath: () => Promise<Program>;
  /** Fetches or builds it once into the cache. @throws with the reason when that is impossible here. */
  readonly fetch: (progress: Progress) => Promise<Program>;
  /** First initialisation of the data; safe to repeat, whole or absent after a crash. */
  readonly prepare: (context: Context, program: Program) => Promise<void>;
  readonly launch: (context: Context) => Launch;
  /**
   * Proves that it works, not only that it listens.
   * @param isOurs what is missing in it may be added; a server of somebody else's stays as it is.
   * @throws when it does not work (yet).
   */
  readonly check: (address: string, isOurs: boolean) => Promise<void>;
}

export function portOf({ ports }: Context, name: string): number {
  const port = ports[name];
  if (port === undefined) throw new Error(`No port was assigned to ${name}.`);
  return port;
}
