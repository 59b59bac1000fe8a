import { z } from 'zod';

import { application } from '../../contracts/engine/application';
import { partsOfBusinessId, referencePattern } from '../../contracts/engine/ids';
import { isCurrency, minorUnitsMax } from '../../contracts/engine/money';
import { deadlineMs } from '../../contracts/engine/transaction';
import { subjectPattern } from './people';

// zod counts UTF-16 units, people count characters: a pair of surrogates is one.
const codePoints = (value: string): number => value.replace(/[\u{10000}-\u{10ffff}]/gu, 'x').length;
const isPrintable = (value: string): boolean => !/[\p{Control}\p{Surrogate}]/u.test(value);

/** Text for people: 1 to `max` code points without control characters; trimmed nowhere. */
export const text = (max: number) =>
  z
    .string()
    .min(1)
    .refine((value) => codePoints(value) <= max, `must have at most ${max} characters`)
    .refine(isPrintable, 'must have no control characters')
    .meta({ maxLength: max });

/** The subject that a credential speaks for. This checks its form only: `subjectFaults` checks its content. */
export const subject = z.string().meta({ pattern: subjectPattern.source });

/** An id of the tenant's own, without the tenant. */
export const reference = z
  .string()
  .regex(
    referencePattern,
    'must be 1 to 64 letters, digits, dots, dashes, underscores or tildes, and neither . nor ..',
  );

/** A flow of this application; the OpenAPI document lists them. */
export const flowName = z
  .string()
  .refine((flow) => Object.hasOwn(application().flows, flow), 'must be a flow of this application')
  .meta({ id: 'Flow' });

/** Answers leave the tenant out. */
export const withoutTenant = (id: string): string => partsOfBusinessId(id)?.id ?? id;

/** Minor units that may pass 2^53. */
export const digits = z.string().regex(/^-?\d+$/, 'must be digits');
export const time = z.iso.datetime();

/** Any JSON value of an answer. Not `z.json()`: the OpenAPI generator writes references to it that do not resolve. */
export const anyJson = z.unknown().meta({ description: 'Any JSON value.' });

/**
 * The schema checks the form of a currency only: an unknown currency is a 422. OpenAPI shows the form, not the list,
 * because ISO amends the list. So a generated client also reads currencies that are added later.
 */
export const currencyCode = z
  .string()
  .regex(/^[A-Z]{3}$/, 'must be three capital letters, such as EUR')
  .meta({ description: 'ISO 4217, such as `EUR`; of those with a minor unit.' });

/** A currency that Accord moves, typed as contracts have it. Any other is 400, with this message at its field. */
export const knownCurrency = currencyCode.refine(
  isCurrency,
  'must be a currency of ISO 4217 that has minor units',
);

/** Money of a request. */
export const money = z
  .strictObject({
    currency: currencyCode,
    minorUnits: z.int().min(1).max(minorUnitsMax),
  })
  .meta({ id: 'Money' });

/** The price of a purchase. It is 0 where a coupon takes off all of it. */
export const price = z
  .strictObject({
    currency: currencyCode,
    minorUnits: z.int().min(0).max(minorUnitsMax),
  })
  .meta({ id: 'Price' });

/** Time limit of a transaction, in milliseconds. The schema does not check the bounds of `deadlineMs`. */
export const lifeMs = z.int().min(1).default(deadlineMs.default);

export const gidParams = z.strictObject({ gid: z.string() });
export const idParams = z.strictObject({ id: z.string() });

export const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
export const limit = z.coerce.number().pipe(z.int().min(1).max(100)).default(20);
export const cursor = z.string().min(1).max(512);

/** A list in one parameter: `a,b`. */
export const listOf = <Item extends z.ZodType<string, string>>(item: Item) =>
  z
    .string()
    .max(512)
    .transform((value) => value.split(','))
    .pipe(z.array(item).min(1).max(16));
