import { partsOfStepKey, type StepKey } from '../../contracts/engine/ids';
import { isOurMistake, type RedisCommands } from '../../runtime/redis-premises';
import { giveBackScript, rebuildScript, takeScript } from './allowance-scripts';

/** Redis did not answer in time, or is not available. The effect of the command is unknown. */
export class AllowancesUnavailable extends Error {
  override readonly name = 'AllowancesUnavailable';
}

/** The part of a scope's allowance that an effect needs. */
export interface Claim {
  readonly key: StepKey;
  /** Names the counter, such as a payer and a window; without braces. */
  readonly scope: string;
  readonly quantity: number;
  /** The whole allowance of the scope. */
  readonly max: number;
  /** How long counter and markers are kept. While the counter lives, its markers must. */
  readonly keepMs: number;
}

/**
 * Allowances in Redis with a fence of their own: each effect takes once and gives back once, in any order and at any
 * number of calls. MySQL is the record: lost counters are rebuilt from it, and the fence in MySQL decides before any
 * call here. Every method throws `AllowancesUnavailable` if Redis does not answer; none tries twice.
 */
export interface AllowanceStore {
  /**
   * @param used returns the taken number of each scope by the record, to build a counter. Left out: nothing is taken.
   * @returns for each claim whether it was within the allowance. A repeated claim gets its first answer. `undefined`:
   *   the claim was given back before.
   */
  take(
    claims: readonly Claim[],
    used: (scopes: readonly string[]) => Promise<ReadonlyMap<string, number>>,
  ): Promise<ReadonlyMap<StepKey, boolean | undefined>>;
  /** Gives claims back. A claim that took nothing, or never arrived, gives nothing back, and never takes anything. */
  giveBack(claims: readonly Pick<Claim, 'key' | 'scope' | 'keepMs'>[]): Promise<void>;
  /** Taken number of each scope by its counter. Scopes without a counter are left out. */
  taken(scopes: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

/** @param redis must fail fast, because the caller has an open SQL transaction. */
export function createAllowanceStore({ redis }: { readonly redis: RedisCommands }): AllowanceStore {
  const run = (script: string, keys: readonly string[], ...args: readonly (string | number)[]) =>
    answered(redis.eval(script, keys.length, ...keys, ...args));

  const takeOnce = (claims: readonly Claim[]): Promise<readonly unknown[]> =>
    Promise.all(
      claims.map(({ key, scope, quantity, keepMs }) =>
        run(takeScript, [markerKeyOf(scope, key), counterKeyOf(scope)], quantity, keepMs),
      ),
    );

  const rebuild = async (
    claims: readonly Claim[],
    used: (scopes: readonly string[]) => Promise<ReadonlyMap<string, number>>,
  ): Promise<void> => {
    const byScope = new Map(claims.map((claim) => [claim.scope, claim]));
    const taken = await used([...byScope.keys()]);
    await Promise.all(
      [...byScope.values()].map(({ scope, max, keepMs }) =>
        run(rebuildScript, [counterKeyOf(scope)], max - (taken.get(scope) ?? 0), max, keepMs),
      ),
    );
  };

  return {
    async take(claims, used) {
      const answers = new Map<StepKey, unknown>();
      const ask = async (some: readonly Claim[]): Promise<readonly Claim[]> => {
        const states = await takeOnce(some); // Sent in order over one connection: decided in order.
        for (const [at, { key }] of some.entries()) answers.set(key, states[at]);
        return some.filter(({ key }) => answers.get(key) === 'rebuild');
      };
      const uncounted = await ask(claims);
      if (uncounted.length > 0) {
        await rebuild(uncounted, used);
        const lost = await ask(uncounted);
        if (lost.length > 0) throw new AllowancesUnavailable('Redis loses its counters at once.');
      }
      return new Map([...answers].map(([key, state]) => [key, withinAllowance(state)]));
    },
    async giveBack(claims) {
      await Promise.all(
        claims.map(({ key, scope, keepMs }) =>
          run(giveBackScript, [markerKeyOf(scope, key), counterKeyOf(scope)], keepMs),
        ),
      );
    },
    async taken(scopes) {
      const counters = await Promise.all(
        scopes.map((scope) => answered(redis.hmget(counterKeyOf(scope), 'max', 'left'))),
      );
      return new Map(
        scopes.flatMap((scope, at) => {
          const [max, left] = counters[at] ?? [];
          return max && left ? [[scope, Number(max) - Number(left)] as const] : [];
        }),
      );
    },
  };
}

/** Name of a counter in Redis. Tests and operators find counters by it. */
export const counterKeyOf = (scope: string): string => `allowance:{${scope}}`;
export function markerKeyOf(scope: string, key: StepKey): string {
  const { gid, branch } = partsOfStepKey(key) ?? { gid: key, branch: '' };
  return `fence:{${scope}}:${gid}:${branch}`;
}

function withinAllowance(state: unknown): boolean | undefined {
  switch (state) {
    case 'acted':
      return true;
    case 'refused':
      return false;
    case 'undone':
    case 'empty':
      return undefined;
    default:
      throw new TypeError('Unexpected answer of the allowance script.');
  }
}

async function answered<Answer>(command: Promise<Answer>): Promise<Answer> {
  try {
    return await command;
  } catch (error) {
    if (isOurMistake(error)) throw error;
    throw new AllowancesUnavailable('Redis is away.', { cause: error });
  }
}
