/**
 * JSON Schema (2020-12) of event data, as plain objects with the type of their values. It needs no library, so
 * workflows may import it, and any consumer can read it.
 */
import type { Money } from './money';
import { minorUnitsMax } from './money';
import type { BusinessId, Gid, StepKey } from './ids';

/** The keywords that event data use. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly examples?: readonly unknown[];
}

/** No value has it: it carries the type alone. */
declare const valueOf: unique symbol;
export type Schema<Value> = JsonSchema & { readonly [valueOf]?: Value };
export type ValueOf<Of> = Of extends { readonly [valueOf]?: infer Value } ? Value : never;

/** A field that may be left out. */
export interface OptionalField<Value> {
  readonly optional: Schema<Value>;
}
export const optional = <Value>(schema: Schema<Value>): OptionalField<Value> => ({
  optional: schema,
});

export type Fields = Readonly<Record<string, Schema<unknown> | OptionalField<unknown>>>;
type NamesOf<Of extends Fields, Left> = {
  [Name in keyof Of]: Of[Name] extends OptionalField<unknown>
    ? Left extends true
      ? Name
      : never
    : Left extends true
      ? never
      : Name;
}[keyof Of];
/** The object that has these fields. */
export type ObjectOf<Of extends Fields> = {
  readonly [Name in NamesOf<Of, false>]: ValueOf<Of[Name]>;
} & {
  readonly [Name in NamesOf<Of, true>]?: Of[Name] extends OptionalField<infer Value>
    ? Value
    : never;
};

/** An object. It may have more fields than these: a reader passes over what it does not know. */
export function fields<const Of extends Fields>(
  of: Of,
  description?: string,
): Schema<ObjectOf<Of>> {
  const properties = Object.entries(of).map(([name, field]) => [name, schemaOf(field)] as const);
  const required = Object.entries(of).flatMap(([name, field]) =>
    'optional' in field ? [] : [name],
  );
  return {
    type: 'object',
    ...(description !== undefined && { description }),
    properties: Object.fromEntries(properties),
    required,
  };
}

const schemaOf = (field: Schema<unknown> | OptionalField<unknown>): JsonSchema =>
  'optional' in field ? field.optional : field;

export const text = (description: string, example = 'text'): Schema<string> => ({
  type: 'string',
  description,
  examples: [example],
});

/** A whole number, 0 or more unless the bounds say otherwise. */
export const whole = (
  description: string,
  { minimum = 0, maximum = Number.MAX_SAFE_INTEGER, example = 1 } = {},
): Schema<number> => ({ type: 'integer', description, minimum, maximum, examples: [example] });

export const oneOf = <const Value extends string>(
  values: readonly Value[],
  description: string,
): Schema<Value> => ({ type: 'string', description, enum: values });

export const listOf = <Value>(
  items: Schema<Value>,
  description: string,
): Schema<readonly Value[]> => ({ type: 'array', description, items });

/** The value, or `null` with the meaning that the description says. */
export const nullable = <Value>(
  schema: Schema<Value>,
  description: string,
): Schema<Value | null> => ({ description, anyOf: [schema, { type: 'null' }] });

export const gid = (description = 'The transaction.'): Schema<Gid> =>
  text(description, 'order:acme.O-1001');

/** `<tenant>.<id>`. */
export const businessId = (description: string, id = 'X-1001'): Schema<BusinessId> => ({
  type: 'string',
  description,
  pattern: '^[a-z0-9]{1,16}\\.[A-Za-z0-9._~-]{1,64}$',
  examples: [`acme.${id}`],
});

/** `<gid>/<branch>`. */
export const stepKey = (description: string): Schema<StepKey> =>
  text(description, 'order:acme.O-1001/holdFunds');

/** RFC 3339, UTC, milliseconds. */
export const instant = (description: string): Schema<string> => ({
  type: 'string',
  format: 'date-time',
  description,
  examples: ['2026-11-20T10:15:30.123Z'],
});

export const currency = (): Schema<string> => ({
  type: 'string',
  description: 'Currency, ISO 4217.',
  pattern: '^[A-Z]{3}$',
  examples: ['EUR'],
});

/** A whole number that may pass 2^53, as digits in a string: not every reader reads large JSON numbers exactly. */
export const digits = (description: string, example = '1250'): Schema<string> => ({
  type: 'string',
  description,
  pattern: '^-?[0-9]+$',
  examples: [example],
});

/** Money as an object, in whole minor units. */
export function money(description: string, minimum = 1): Schema<Money> {
  const minorUnits = whole('Minor units of the currency.', {
    minimum,
    maximum: minorUnitsMax,
    example: 1250,
  });
  return fields({ currency: currency() as Schema<Money['currency']>, minorUnits }, description);
}

/** A value of this schema, from its examples. */
export function exampleOf(schema: JsonSchema): unknown {
  const { examples, properties, items, anyOf } = schema;
  if (examples) return examples[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (anyOf?.[0]) return exampleOf(anyOf[0]);
  if (items) return [exampleOf(items)];
  if (!properties) return null;
  return Object.fromEntries(
    Object.entries(properties).map(([name, of]) => [name, exampleOf(of)] as const),
  );
}
