/** @throws one sentence that says what to set, where the environment does not say it. */
export function demandGiven<Value>(
  variable: string,
  value: Value | undefined,
  what: string,
): Value {
  if (value !== undefined) return value;
  throw new Error(`${variable} is not set: set it to ${what}, then run the command again.`);
}
