/**
 * Premises are settings of a server that Accord relies on, such as MySQL's `sql_mode` or Redis's `maxmemory-policy`. A
 * server that breaks a required one is refused at start, and shown in the health of its users. An optional one gives a
 * warning.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { Gauge, type Registry } from 'prom-client';

import type { Logger } from './logger';

/** A premise that a server does not fulfil. */
export interface BrokenPremise {
  /** Name of the product: `MySQL`, `MariaDB`, `Redis`. */
  readonly product: string;
  /** Version by the server; `unknown`: it reports none. */
  readonly version: string;
  /** The name in the product's manual: `sql_mode`, `maxmemory-policy`; `version` where the server itself is wrong. */
  readonly setting: string;
  readonly found: string;
  readonly wanted: string;
  /** The remedy: a sentence in the imperative. */
  readonly remedy: string;
  /** `true`: Accord must not run with such a server. `false`: it continues as during an outage of this server. */
  readonly isRequired: boolean;
}

/** Such as `MariaDB 10.11.6: version is MariaDB, wanted MySQL 8.4 or later. Point MYSQL_URL to MySQL.` */
export const premiseSentence = (premise: BrokenPremise): string => {
  const { product, version, setting, found, wanted, remedy } = premise;
  return `${product} ${version}: ${setting} is ${found || 'empty'}, wanted ${wanted}. ${remedy}`;
};

/** Servers break required premises. They are refused until an administrator has changed them. */
export class PremisesBroken extends Error {
  override readonly name = 'PremisesBroken';
  constructor(readonly broken: readonly BrokenPremise[]) {
    super(broken.map(premiseSentence).join('\n'));
  }
}

/** One server, with the connection of one process. */
export interface PremiseSource {
  /** For logs and metrics: `mysql accounts`, `redis`. */
  readonly server: string;
  /** `true`: Accord continues without this server, and does not wait for its answer. */
  readonly isOptional?: boolean;
  /** Premises that are broken now. @throws if the server does not answer: an outage breaks no premise. */
  ask(): Promise<readonly BrokenPremise[]>;
}

/** The premises of all servers of one process. */
export interface Premises {
  /**
   * Asks every server, those that do not answer again until they have, or until `signal` is aborted; an optional one
   * once.
   * @throws PremisesBroken where a required one is broken.
   */
  demand(signal?: AbortSignal): Promise<void>;
  /** Asks every server once. @throws PremisesBroken where one that answers breaks a required premise. */
  check(): Promise<void>;
}

interface PremisesOptions {
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** Gets the gauge `accord_premise_broken`. */
  readonly registry: Registry;
  /** Pause before a server without an answer is asked again. */
  readonly retryMs?: number;
}

/** Each broken premise is a line of the log, and 1 in the gauge until it is fulfilled again. */
export function createPremises(
  sources: readonly PremiseSource[],
  { logger, registry, retryMs = 1_000 }: PremisesOptions,
): Premises {
  const gauge = new Gauge({
    name: 'accord_premise_broken',
    help: '1 while a server breaks a premise; 0 once it is mended.',
    labelNames: ['server', 'setting'] as const,
    registers: [registry],
  });
  const known = new Map<string, ReadonlySet<string>>();

  function report(server: string, broken: readonly BrokenPremise[]): void {
    const before = known.get(server) ?? new Set<string>();
    const now = new Set(broken.map(({ setting }) => setting));
    for (const premise of broken) {
      gauge.set({ server, setting: premise.setting }, 1);
      if (!before.has(premise.setting)) logger.warn({ server, premise }, premiseSentence(premise));
    }
    for (const setting of before) {
      if (now.has(setting)) continue;
      gauge.set({ server, setting }, 0);
      logger.info({ server, setting }, 'A premise that was broken holds again.');
    }
    known.set(server, now);
  }

  /** @returns servers that did not answer, each with its error. */
  async function askAll(asked: readonly PremiseSource[]) {
    const answers = await Promise.all(
      asked.map(async (source) => {
        try {
          const broken = await source.ask();
          report(source.server, broken);
          return { source, broken };
        } catch (error) {
          return { source, error };
        }
      }),
    );
    const refused = answers.flatMap(({ broken = [] }) => broken.filter((one) => one.isRequired));
    if (refused.length > 0) throw new PremisesBroken(distinct(refused));
    return answers.filter(({ broken }) => broken === undefined);
  }

  return {
    async demand(signal) {
      for (let left = sources, isFirst = true; ; isFirst = false) {
        const silent = (await askAll(left)).filter(({ source }) => source.isOptional !== true);
        if (silent.length === 0 || signal?.aborted) return;
        left = silent.map(({ source }) => source);
        for (const { source, error } of isFirst ? silent : [])
          logger.warn({ err: error }, `${source.server} does not answer yet: waiting for it.`);
        await delay(retryMs, undefined, { ...(signal && { signal }) }).catch(() => undefined);
      }
    },
    async check() {
      await askAll(sources);
    },
  };
}

/** Several databases of one server break the same premise: it is reported once. */
const distinct = (broken: readonly BrokenPremise[]): readonly BrokenPremise[] => [
  ...new Map(broken.map((one) => [premiseSentence(one), one])).values(),
];
