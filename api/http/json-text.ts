import { Problem } from './errors';

export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** Deeper nesting overflows the first recursive walk over the value; no request of ours needs half of it. */
export const depthMax = 16;
/** Members and elements of one body, over all depths. */
export const membersMax = 2_000;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// An open string matches to the end, or every quote in it would be tried as a start: quadratic time for 64 KiB.
const token = /"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)|-?[0-9][0-9eE.+-]*|[{}[\],:]/gs;
const loneSurrogate = /\p{Surrogate}/u;
const wholeNumber = /^-?(?:0|[1-9][0-9]*)$/;

/**
 * Parses a body, and refuses what `JSON.parse` takes but a ledger cannot live with: a member that comes twice (the last
 * one would win in silence), a number with a fraction, an exponent or beyond 2^53−1 (it would lose digits), a lone
 * surrogate, `__proto__`, more than `depthMax` levels or `membersMax` members.
 *
 * @throws Problem `malformed_body`, the only thing that it throws.
 */
export function parseJson(bytes: Uint8Array): JsonValue {
  const text = decode(bytes);
  scan(text);
  try {
    return JSON.parse(text) as JsonValue; // The grammar is JSON's own, so the value has this type.
  } catch {
    throw malformed('The body is not JSON.');
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw malformed('The body is not UTF-8.');
  }
}

interface Container {
  /** Names seen so far; `null` in an array. */
  readonly names: Set<string> | null;
  expectsName: boolean;
}

/** One pass over the tokens. What is not JSON may pass here: `JSON.parse` comes after it. */
function scan(text: string): void {
  const open: Container[] = [];
  let members = 0;
  for (const [literal] of text.matchAll(token)) {
    const container = open.at(-1);
    switch (literal) {
      case '{':
      case '[':
        if (open.length === depthMax) throw malformed(`More than ${depthMax} levels.`);
        open.push({ names: literal === '{' ? new Set() : null, expectsName: literal === '{' });
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case ',':
        members += 1;
        if (members > membersMax) throw malformed(`More than ${membersMax} members.`);
        if (container?.names) container.expectsName = true;
        break;
      case ':':
        break;
      default:
        if (literal.startsWith('"')) scanString(literal, container);
        else scanNumber(literal);
    }
  }
}

function scanString(literal: string, container: Container | undefined): void {
  const value = stringOf(literal);
  if (loneSurrogate.test(value)) throw malformed('A lone surrogate is no text.');
  if (!container?.names || !container.expectsName) return;
  container.expectsName = false;
  if (value === '__proto__') throw malformed('A member must not be named __proto__.');
  if (container.names.has(value)) throw malformed('A member comes twice.');
  container.names.add(value);
}

function scanNumber(literal: string): void {
  if (!wholeNumber.test(literal)) throw malformed('Numbers are whole, without an exponent.');
  if (!Number.isSafeInteger(Number(literal))) throw malformed('A number is beyond 2^53-1.');
}

function stringOf(literal: string): string {
  try {
    return JSON.parse(literal) as string; // A literal in quotes parses to a string, or not at all.
  } catch {
    throw malformed('The body is not JSON.');
  }
}

const malformed = (detail: string): Problem => new Problem('malformed_body', { detail });
