/**
 * Canonical JSON (RFC 8785): members sorted by the UTF-16 units of their names, no white space, numbers and strings as
 * ECMAScript writes them. Equal values give equal text, whatever order their members came in. As in `JSON.stringify`, a
 * member that is undefined is left out, and `toJSON` speaks for its object.
 *
 * Hashes of this text are stored, in the fence and in audits: it may never change.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return scalar(value);
  if (speaksForItself(value)) return canonicalJson(value.toJSON());
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
  return `{${members.join(',')}}`;
}

/** @throws TypeError for a bigint. */
const scalar = (value: unknown): string => (value === undefined ? 'null' : JSON.stringify(value));

const speaksForItself = (value: object): value is { toJSON(): unknown } =>
  'toJSON' in value && typeof value.toJSON === 'function';
