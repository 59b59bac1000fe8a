/** What the clients of a run must have asked for, and been granted, for it to prove anything. */
import type { Kind } from './history';

/** Calls that were taken. */
export const takenAtLeast = 200;
export const kindsAsked = [
  'order',
  'checkout',
  'transfer',
  'payment',
  'refund',
  'cancel',
  'review',
  'read',
] as const satisfies readonly Kind[];
/** Least of each kind a minute; of a long run no more than in three. */
const ofEachKind = { perMinute: 8, most: 20 } as const;

export const eachAtLeast = (minutes: number): number =>
  Math.min(ofEachKind.most, Math.ceil(ofEachKind.perMinute * minutes));

/** Number of calls by kind, whatever their outcome. */
type ByKind = ReadonlyMap<string, number>;

export const isCovered = (taken: number, byKind: ByKind, minutes: number): boolean =>
  taken >= takenAtLeast &&
  kindsAsked.every((kind) => (byKind.get(kind) ?? 0) >= eachAtLeast(minutes));
