import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';

import { answersInOrder } from '../../../api/http/in-order';
import { linesOf, type LineLimits } from '../../../api/http/lines';

const limits: LineLimits = { lineBytes: 8, lines: 4, bytes: 100, ms: 60_000 };
const bodyOf = (...chunks: string[]): Readable =>
  Readable.from(chunks.map((chunk) => Buffer.from(chunk)));

/** `1 text`, or `1 code` of a problem. */
async function told(body: Readable, more: Partial<LineLimits> = {}): Promise<string[]> {
  const seen: string[] = [];
  for await (const line of linesOf(body, { ...limits, ...more }))
    seen.push(
      `${line.number} ${'bytes' in line ? line.bytes.toString() : `${line.problem.code}: ${line.problem.message}`}`,
    );
  return seen;
}

describe('the lines of a body', () => {
  it('are whole, wherever its chunks are cut', async () => {
    const text = '{"ä":1}\n{}\r\n[1]';
    const expected = ['1 {"ä":1}', '2 {}\r', '3 [1]'];
    expect(await told(bodyOf(text))).toEqual(expected);
    const bytes = [...Buffer.from(text)].map((byte) => Buffer.from([byte]));
    expect(await told(Readable.from(bytes))).toEqual(expected);
  });

  it('are counted with the blank ones, which are nothing', async () => {
    expect(await told(bodyOf('\n \t\n{}\n\n'))).toEqual(['3 {}']);
    expect(await told(bodyOf(''))).toEqual([]);
  });

  it('are refused one by one where they are too long, and the others go on', async () => {
    const long = 'x'.repeat(9);
    const refused = 'body_too_large: At most 8 bytes are taken in one line.';
    expect(await told(bodyOf('{}\nxxxxx', `xxxx\n{}\n${long}`))).toEqual([
      '1 {}',
      `2 ${refused}`,
      '3 {}',
      `4 ${refused}`,
    ]);
  });

  it.each([
    ['lines', '1\n2\n3\n4\n5\n6\n', {}, ['1 1', '2 2', '3 3', '4 4'], 'body_too_large'],
    ['bytes', '1\n', { bytes: 1 }, [], 'body_too_large'],
    ['time', '1\n', { ms: -1 }, [], 'request_timeout'],
  ] as const)('end with a problem at the limit of %s', async (_, text, more, before, code) => {
    const seen = await told(bodyOf(text), more);
    expect(seen.slice(0, -1)).toEqual(before);
    expect(seen.at(-1)).toMatch(new RegExp(`^${before.length + 1} ${code}: `));
  });

  it('count against its bytes also where nothing is on them', async () => {
    expect(await told(bodyOf('\n'.repeat(101)))).toEqual([
      '1 body_too_large: At most 100 bytes are taken.',
    ]);
  });

  it('are discarded beyond a limit, so that the connection is free for the next request', async () => {
    const body = bodyOf('1\n', ...Array.from({ length: 100 }, () => '2\n'));
    const ended = new Promise((resolve) => body.once('end', resolve));
    expect(await told(body, { lines: 1 })).toHaveLength(2);
    await ended;
  });

  it('are nothing where a body is cut off within them', async () => {
    const body = new Readable({ read: () => undefined });
    const lines = linesOf(body, limits);
    body.push('1\n2');
    expect((await lines.next()).value).toMatchObject({ number: 1 });
    body.destroy(new Error('aborted'));
    await expect(lines.next()).rejects.toThrow('aborted');
  });
});

/** Work that ends when it is told to. */
function heldWork() {
  const ends = new Map<string, () => void>();
  return {
    answer: (item: string) =>
      new Promise<string>((resolve) => ends.set(item, () => resolve(`${item};`))),
    begun: () => [...ends.keys()].join(''),
    end: (...items: string[]) => items.forEach((item) => ends.get(item)?.()),
  };
}
/** All that is to happen by itself has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));
const letters = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const inOrder = (
  items: Iterable<string> | AsyncIterable<string>,
  answer: (item: string) => Promise<string>,
  { items: count = 3, bytes = 100 } = {},
  signal = new AbortController().signal,
) =>
  answersInOrder(
    Readable.from(items) as AsyncIterable<string>,
    () => 10,
    answer,
    { items: count, bytes },
    signal,
  );

describe('answers in order', () => {
  it('are given as soon as those before them are, together where they are ready together', async () => {
    const { answer, end } = heldWork();
    const answers = inOrder(['a', 'b', 'c'], answer);
    const first = answers.next();
    await settled();
    end('b');
    await settled();
    end('a');
    expect((await first).value).toBe('a;b;');
    const second = answers.next();
    end('c');
    expect((await second).value).toBe('c;');
    expect(await answers.next()).toEqual({ value: undefined, done: true });
  });

  it('come while further items are awaited', async () => {
    const items = new Readable({ objectMode: true, read: () => undefined });
    const answers = inOrder(items, (item) => Promise.resolve(item));
    items.push('a');
    expect((await answers.next()).value).toBe('a');
    items.push('b');
    expect((await answers.next()).value).toBe('b');
    items.push(null);
    expect((await answers.next()).done).toBe(true);
  });

  it.each([
    ['items', { items: 3 }],
    ['bytes', { items: 100, bytes: 30 }],
  ])('hold no more than their bound of %s, and go on when one is taken', async (_, bound) => {
    const { answer, begun, end } = heldWork();
    const answers = inOrder(letters, answer, bound);
    const first = answers.next();
    await settled();
    expect(begun()).toBe('abc');
    end('b', 'c'); // Their answers wait for that of a.
    await settled();
    expect(begun()).toBe('abc');
    end('a');
    await first;
    await settled();
    expect(begun()).toBe('abcdef');
  });

  it('end, and read no further, when their caller has gone', async () => {
    const { answer, begun } = heldWork();
    const gone = new AbortController();
    const answers = inOrder(letters, answer, { items: 2 }, gone.signal);
    const first = answers.next();
    await settled();
    gone.abort();
    expect((await first).done).toBe(true);
    await settled();
    expect(begun()).toBe('ab');
  });

  it('fail where the items fail, after those that were read', async () => {
    async function* failing() {
      yield 'a';
      await settled();
      throw new Error('aborted');
    }
    const answers = inOrder(failing(), (item) => Promise.resolve(item));
    expect((await answers.next()).value).toBe('a');
    await expect(answers.next()).rejects.toThrow('aborted');
  });
});
