import { Problem } from './errors';

/** Longest wait of one request: a balancer's idle timeout is longer, a person's patience shorter. */
export const waitSecondsMax = 30;

/** What a caller wants to wait for: that it is decided, which some flows tell early, or its ending. */
export type Until = 'decided' | 'ending';

export interface Preference {
  /** Seconds to wait, at most `waitSecondsMax`. */
  readonly seconds: number | undefined;
  readonly until: Until;
  /** `single`: a workflow of its own, also among starts that share one. `undefined`: as the configuration has it. */
  readonly lane: 'single' | undefined;
  /** What is understood of it, for `Preference-Applied`; `undefined`: nothing. */
  readonly applied: string | undefined;
}

const ours = {
  wait: { value: /^"?(\d{1,9})"?$/, form: 'wait=N with N in whole seconds' },
  until: { value: /^"?(ending)"?$/i, form: 'until=ending' },
  lane: { value: /^"?(single)"?$/i, form: 'lane=single' },
} as const;

/**
 * How long a caller wants to wait (`Prefer: wait=N`, RFC 7240), until what (`until=ending`), and in a workflow of its own
 * (`lane=single`). Other preferences count as absent, as the RFC has it; the first of two `wait` counts.
 *
 * @throws Problem `invalid_request`: `wait`, `until` or `lane` with a value that cannot be read.
 */
export function preferenceOf(prefer: string | readonly string[] | undefined): Preference {
  const text = typeof prefer === 'string' ? prefer : prefer?.join(',');
  const parts = text?.split(/[,;]/).map((part) => part.trim()) ?? [];
  const wait = valueOf('wait', parts);
  const seconds = wait === undefined ? undefined : Math.min(Number(wait), waitSecondsMax);
  const isUntilEnding = valueOf('until', parts) !== undefined;
  const isSingle = valueOf('lane', parts) !== undefined;
  const applied = [
    ...(seconds === undefined ? [] : [`wait=${seconds}`]),
    ...(isUntilEnding ? ['until=ending'] : []),
    ...(isSingle ? ['lane=single'] : []),
  ];
  return {
    seconds,
    until: isUntilEnding ? 'ending' : 'decided',
    lane: isSingle ? 'single' : undefined,
    applied: applied.length === 0 ? undefined : applied.join(', '),
  };
}

function valueOf(name: keyof typeof ours, parts: readonly string[]): string | undefined {
  const { value, form } = ours[name];
  const given = parts.find((part) => part.split('=')[0]?.trim().toLowerCase() === name);
  if (given === undefined) return undefined;
  const [, read] = value.exec(given.slice(given.indexOf('=') + 1).trim()) ?? [];
  if (given.includes('=') && read !== undefined) return read;
  const message = `has "${given.slice(0, shownMax)}"; it takes ${form}`;
  throw new Problem('invalid_request', {
    detail: `The header Prefer ${message}.`,
    errors: [{ pointer: 'Prefer', code: 'preference_invalid', message }],
  });
}
const shownMax = 64;
