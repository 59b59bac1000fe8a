/**
 * Values as SQL literals whose meaning does not depend on `sql_mode`: a backslash never stands in one, and a quote is
 * doubled. The driver's own placeholders escape by backslashes, which `NO_BACKSLASH_ESCAPES` turns into SQL injection.
 */
type Literal = string | number | bigint | boolean | Date | Uint8Array | null | undefined;

/** Statements are constants of the code, so their texts are few; the bound is for the ones that name a database. */
const textsMax = 2_000;
const texts = new Map<string, readonly string[]>();

/** What may hold a question mark that is none, and the placeholder itself. */
const placeholder =
  /'(?:[^'\\]|\\[^]|'')*'|"(?:[^"\\]|\\[^]|"")*"|`[^`]*`|--\s[^\n]*|\/\*[^]*?\*\/|(\?)/g;

/**
 * The statement with its placeholders filled: lists for `IN (?)`, lists of lists for `VALUES ?`.
 * @throws TypeError for a value that SQL has no literal for, or where the values are not as many as the placeholders.
 */
export function formatStatement(sql: string, values: readonly unknown[]): string {
  if (values.length === 0) return sql; // A migration's text is nobody's template.
  const [first = '', ...rest] = partsOf(sql);
  if (rest.length !== values.length)
    throw new TypeError(`${values.length} values for ${rest.length} placeholders: ${sql}`);
  let text = first;
  for (const [index, part] of rest.entries()) text += literalOf(values[index]) + part;
  return text;
}

/** The text between placeholders. */
function partsOf(sql: string): readonly string[] {
  const known = texts.get(sql);
  if (known) return known;
  const parts: string[] = [];
  let from = 0;
  for (const { 1: isPlaceholder, index } of sql.matchAll(placeholder)) {
    if (isPlaceholder === undefined) continue;
    parts.push(sql.slice(from, index));
    from = index + 1;
  }
  parts.push(sql.slice(from));
  if (texts.size >= textsMax) texts.clear();
  texts.set(sql, parts);
  return parts;
}

function literalOf(value: unknown): string {
  if (!Array.isArray(value)) return scalarOf(value as Literal); // What is none of these is refused.
  if (value.length === 0) throw new TypeError('An empty list has no place in SQL.');
  return value
    .map((item) => (Array.isArray(item) ? `(${literalOf(item)})` : literalOf(item)))
    .join(', ');
}

function scalarOf(value: Literal): string {
  switch (typeof value) {
    case 'string':
      return textOf(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`SQL has no number ${value}.`);
      return String(value);
    case 'bigint':
      return String(value);
    case 'boolean':
      return value ? 'TRUE' : 'FALSE';
    case 'undefined':
      return 'NULL';
    case 'object':
      return objectOf(value);
    default:
      throw new TypeError(`SQL has no literal for a ${typeof value}.`);
  }
}

function objectOf(value: Date | Uint8Array | null): string {
  if (value === null) return 'NULL';
  if (value instanceof Date) return `'${value.toISOString().slice(0, -1).replace('T', ' ')}'`; // In UTC, as every session is.
  if (value instanceof Uint8Array) return `X'${Buffer.from(value).toString('hex')}'`;
  throw new TypeError('SQL has no literal for an object: name its fields.');
}

/**
 * Text with a backslash is written by its bytes: its meaning would depend on `sql_mode`. Such a literal is an expression;
 * grammar that wants a quoted text, as `IDENTIFIED BY` does, refuses it with a syntax error.
 */
const textOf = (text: string): string =>
  /[\\\0]/.test(text)
    ? `_utf8mb4 X'${Buffer.from(text).toString('hex')}'`
    : `'${text.replaceAll("'", "''")}'`;
