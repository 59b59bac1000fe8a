import { z } from 'zod';

import { ConfigurationError, wholeNumber } from '../environment';
import { checkFaults, type FaultsConfig } from './menu';

/** Switches of development, in the order of the alphabet. None of them is for production. */
const developmentSwitches = ['allow-faults'] as const;

export const faultsShape = {
  /** Switches of development and drills, separated by commas. Without `allow-faults` no process accepts FAULTS. */
  ACCORD_DEVELOPMENT: z.enum(developmentSwitches).optional(),
  /** Fault points to arm, for drills: runtime/faults/points.ts has the grammar. */
  FAULTS: z.string().default(''),
  FAULT_SEED: wholeNumber(0, 4_294_967_295).default(1),
  /** A folder. A fault that waits for one transaction fires once among all processes that share the folder. */
  FAULT_MARKS: z.string().min(1).optional(),
};

/**
 * Armed faults and their seed.
 * @throws ConfigurationError for a fault that cannot be parsed, and for any fault without
 *   ACCORD_DEVELOPMENT=allow-faults.
 */
export function faultsOf(value: z.output<z.ZodObject<typeof faultsShape>>): FaultsConfig {
  const faults = { text: value.FAULTS.trim(), seed: value.FAULT_SEED, marks: value.FAULT_MARKS };
  if (faults.text === '') return faults;
  if (value.ACCORD_DEVELOPMENT !== 'allow-faults') {
    throw new ConfigurationError(
      'FAULTS is set: remove it, or set ACCORD_DEVELOPMENT=allow-faults where nothing of value runs.',
    );
  }
  try {
    checkFaults(faults);
  } catch (error) {
    throw new ConfigurationError(error instanceof Error ? error.message : String(error));
  }
  return faults;
}
