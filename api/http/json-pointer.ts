import type { JsonValue } from './json-text';

/** JSON pointer (RFC 6901) of every scalar and of every empty container, with its value. */
export function leavesOf(
  value: JsonValue,
  pointer = '',
): readonly (readonly [string, JsonValue])[] {
  if (typeof value !== 'object' || value === null) return [[pointer, value]];
  const children = isArray(value) ? [...value.entries()] : Object.entries(value);
  if (children.length === 0) return [[pointer, value]];
  return children.flatMap(([name, child]) => leavesOf(child, `${pointer}/${escapePointer(name)}`));
}

const escapePointer = (name: string | number): string =>
  String(name).replaceAll('~', '~0').replaceAll('/', '~1');

// Array.isArray does not narrow a readonly array.
const isArray = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value);
