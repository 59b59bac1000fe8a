import type { FieldError } from './errors';
import { fault, unprocessable } from './refusals';

/**
 * All the people who may stand behind a credential: its subject, the maker of the key, the maker of that maker's key,
 * and so on. Each name stands there once, in one spelling. `null`: the maker is unknown, so the key may belong to any
 * person.
 */
export type People = readonly string[] | null;

/** Who is behind a key beyond its owner: a row of makers, each of whom had a key of the one before. */
const peopleMax = 16;

/** Visible ASCII, in the bytes of its columns: a name that only looks like another one's is none. */
export const subjectPattern = /^[\x21-\x7e]{1,128}$/;

/** A name in other letters could be mistaken for another person's. */
export const subjectFaults = (pointer: string, subject: string): readonly FieldError[] =>
  subjectPattern.test(subject)
    ? []
    : [fault(pointer, 'not_visible_ascii', 'must be 1 to 128 visible ASCII characters')];

/** Written otherwise it may still be the same person; two people never differ by that alone. */
const folded = (subject: string): string => subject.normalize('NFKC').trim().toLowerCase();

export const isSameSubject = (one: string, other: string): boolean => folded(one) === folded(other);

/**
 * The people who stand behind a credential of this subject.
 * @param makers the people behind the credential that it was made with; left out: it was not made with a credential of
 *   another person.
 * @throws Problem `unprocessable`: too many have made keys for each other.
 */
export function peopleBehind(subject: string, makers: People = []): People {
  if (!makers) return null;
  const people = [...new Set([folded(subject), ...makers.map(folded)])].sort();
  if (people.length <= peopleMax) return people;
  const message = `would have more than ${peopleMax} people behind its key`;
  throw unprocessable([fault('/owner', 'too_many_makers', message)]);
}

/**
 * The one rule of who is another person, wherever two are needed: the people behind each are known, and no person
 * stands behind both.
 */
export const isAnotherPerson = (one: People, other: People): boolean =>
  one !== null && other !== null && !one.some((name) => other.includes(name));

/**
 * Why `one` is not another person than `other`, as a sentence for the person who holds `one`.
 * @param what `other` has done, such as "alice asked for it".
 */
export function whyNotAnother(one: People, other: People, what: string): string {
  if (one === null)
    return 'Nobody knows who made this key, so it is never another person: use a token, or a key made since.';
  if (other === null) return `${what}, and nobody knows who stands behind that.`;
  const both = one.filter((name) => other.includes(name)).join(', ');
  return `${what}; ${both} stands behind that and behind this credential. Another person is needed.`;
}
