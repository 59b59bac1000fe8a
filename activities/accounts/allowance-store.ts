import { partsOfStepKey, type StepKey } from '../../contracts/engine/ids';
import { isOurMistake, type RedisCommands } from '../../runtime/redis-premises';
import { giveBackScript, rebuildScript, takeScript } from './allowance-scripts';

/** Redis did not answer in time, or cannot serve now. What of it took effect is unknown. */
export class AllowancesUnavailable extends Error {
  override readonly name = 'AllowancesUnavailable';
}

/** What an effect wants out of a scope's allowance. */
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
 * Allowances in Redis behind a fence of their own: each effect takes once and gives back once, in whatever order and
 * however often it is asked. Never the record: what Redis has lost is counted anew from MySQL, and the fence of MySQL
 * decides before anybody asks here. Every method throws `AllowancesUnavailable` when Redis is away; none tries twice.
 */
export interface AllowanceStore {
  /**
   * @param used tells what the record says is taken of each scope, where a counter has to be built; left out: nothing.
   * @returns for each claim whether it was within the allowance; the first answer again for one that was made before.
   *   `undefined` for one that was given back before.
   */
  take(
    claims: readonly Claim[],
    used: (scopes: readonly string[]) => Promise<ReadonlyMap<string, number>>,
  ): Promise<ReadonlyMap<StepKey, boolean | undefined>>;
  /** A claim that took nothing, or never came, gives nothing back, and takes nothing from now on. */
  giveBack(claims: readonly Pick<Claim, 'key' | 'scope' | 'keepMs'>[]): Promise<void>;
  /** What each scope's counter says is taken; scopes without a counter are left out. */
  taken(scopes: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

/** @param redis fails fast: whoever asks has a SQL transaction open. */
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

/** Exported names are those of the design: tests and whoever looks into Redis by hand find them by it. */
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
