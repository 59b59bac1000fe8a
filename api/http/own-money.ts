/** Money in the request bodies of a project's own flows: what passes is a `Currency`, as contracts have it. */
import { z } from 'zod';

import { minorUnitsMax } from '../../contracts/engine/money';
import { knownCurrency } from './schemas';

/** An amount of at least 1 minor unit. It fits `Money` of `accord/contracts` as it is. */
export const money = z.strictObject({
  currency: knownCurrency,
  minorUnits: z.int().min(1).max(minorUnitsMax),
});

/** An amount that may be 0. It fits `Money` as well. */
export const price = z.strictObject({
  currency: knownCurrency,
  minorUnits: z.int().min(0).max(minorUnitsMax),
});
