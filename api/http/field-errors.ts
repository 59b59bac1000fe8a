import type { FieldError } from './errors';

/** One issue of a zod schema, as the type provider hands it on: `params` has what its kind brings. */
interface SchemaIssue {
  readonly keyword: string;
  /** `/`-joined path; `/` is the whole. */
  readonly instancePath: string;
  readonly message?: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
}

const errorsMax = 50;

/**
 * One error for each field that does not fit, at most 50: its pointer, zod's issue code, and a phrase about the
 * field ("must be a whole number"). A field that the schema does not know is named itself, not its parent.
 */
export function fieldErrorsOf(
  issues: readonly SchemaIssue[],
  isBody: boolean,
): readonly FieldError[] {
  const errors = issues.flatMap((issue) => {
    const path = issue.instancePath === '/' ? '' : issue.instancePath;
    return namesOf(issue).map((name): FieldError => ({
      pointer: pointerOf(name === undefined ? path : `${path}/${name}`, isBody),
      code: issue.keyword,
      message: phraseOf(issue),
    }));
  });
  return errors.slice(0, errorsMax);
}

/** `/a/b: must be text; /c: is missing (and 3 more).` */
export function sentenceOf(errors: readonly FieldError[]): string {
  const shown = errors.slice(0, 3).map(({ pointer, message }) => `${whereOf(pointer)}: ${message}`);
  const more = errors.length - shown.length;
  return `${shown.join('; ')}${more > 0 ? ` (and ${more} more)` : ''}.`;
}

const whereOf = (pointer: string): string => (pointer === '' ? 'The body' : pointer);

const pointerOf = (path: string, isBody: boolean): string => (isBody ? path : `?${path.slice(1)}`);

/** Names of unknown fields; else one `undefined`: the path itself is meant. */
function namesOf({ keyword, params }: SchemaIssue): readonly (string | undefined)[] {
  const { keys } = params;
  if (keyword !== 'unrecognized_keys' || !Array.isArray(keys)) return [undefined];
  return keys.map((key) => String(key).replaceAll('~', '~0').replaceAll('/', '~1'));
}

const nouns: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};
const formats: Readonly<Record<string, string>> = {
  datetime: 'a time in UTC such as 2026-01-31T23:59:59.000Z',
  date: 'a day such as 2026-01-31',
  url: 'a URL',
};
const units: Readonly<Record<string, string>> = {
  string: 'character',
  array: 'item',
};

function phraseOf({ keyword, message = '', params }: SchemaIssue): string {
  switch (keyword) {
    case 'invalid_type':
      return message.endsWith('received undefined')
        ? 'is missing'
        : `must be ${nouns[String(params['expected'])] ?? String(params['expected'])}`;
    case 'unrecognized_keys':
      return 'is not a field of this request';
    case 'too_small':
      return boundPhraseOf('at least', params['minimum'], params);
    case 'too_big':
      return boundPhraseOf('at most', params['maximum'], params);
    case 'invalid_value':
      return `must be one of ${wordsOf(params['values'])}`;
    case 'invalid_union':
      return Array.isArray(params['options'])
        ? `must be one of ${wordsOf(params['options'])}`
        : 'has none of the forms that are taken here';
    case 'invalid_format':
      return formatPhraseOf(String(params['format']), message);
    default:
      return message === '' ? 'does not fit' : message; // Our own schemas write these as phrases.
  }
}

/** A number is at least 1; a text has at least 1 character. */
function boundPhraseOf(
  comparison: 'at least' | 'at most',
  bound: unknown,
  { origin }: SchemaIssue['params'],
): string {
  const unit = units[String(origin)];
  return unit === undefined
    ? `must be ${comparison} ${String(bound)}`
    : `must have ${comparison} ${String(bound)} ${unit}${bound === 1 ? '' : 's'}`;
}

const wordsOf = (values: unknown): string =>
  Array.isArray(values) ? values.map(String).join(', ') : String(values);

/** A pattern of ours brings its own phrase; zod's would show the regular expression. */
function formatPhraseOf(format: string, message: string): string {
  const known = formats[format];
  if (known !== undefined) return `must be ${known}`;
  return message.startsWith('Invalid') ? 'does not have the form that is taken here' : message;
}
