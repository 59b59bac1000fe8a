/** Bodies of many lines (NDJSON): one JSON value a line. */
import type { Readable } from 'node:stream';

import { Problem } from './errors';

export const linesMedia = 'application/x-ndjson';

/** A line of a body, or what is wrong with it. Numbers begin with 1 and count every line, as an editor does. */
export type Line =
  | { readonly number: number; readonly bytes: Buffer }
  | { readonly number: number; readonly problem: Problem };

export interface LineLimits {
  readonly lineBytes: number;
  readonly lines: number;
  readonly bytes: number;
  /** For so long lines are read: their sender, or whoever takes the answers, may be slow. */
  readonly ms: number;
}

const newline = 0x0a;
const blank = /^[ \t\r]*$/;

/**
 * The lines of a body as they arrive, blank ones left out. A line that is too long is a problem, and the others go on. What
 * passes a limit of the whole body is a problem in the place of the next line, and the last one: what follows is discarded.
 */
export async function* linesOf(body: Readable, limits: LineLimits): AsyncGenerator<Line> {
  const open = openLine(limits.lineBytes);
  const until = performance.now() + limits.ms;
  let number = 1;
  let bytes = 0;
  const passed = (piece: Buffer): Problem | undefined => {
    if (number > limits.lines && piece.length > 0) return tooLarge(`${limits.lines} lines`);
    if (bytes > limits.bytes) return tooLarge(`${limits.bytes} bytes`);
    return performance.now() > until ? tooLate(limits.ms) : undefined;
  };
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      for (const { piece, isEnd } of piecesOf(chunk)) {
        const problem = passed(piece);
        if (problem) {
          yield { number, problem };
          return;
        }
        open.add(piece);
        if (!isEnd) continue;
        yield* open.close(number);
        number += 1;
      }
    }
    yield* open.close(number);
  } finally {
    body.resume(); // What nobody reads would keep the connection from its next request.
  }
}

/** The line that has begun. Nothing is kept of one that is too long. */
function openLine(bytesMax: number) {
  let pieces: Buffer[] = [];
  let length = 0;
  return {
    add(piece: Buffer): void {
      length += piece.length;
      if (length > bytesMax) pieces = [];
      else pieces.push(piece);
    },
    *close(number: number): Generator<Line> {
      const isTooLong = length > bytesMax;
      const bytes = Buffer.concat(pieces);
      [pieces, length] = [[], 0];
      if (isTooLong) yield { number, problem: tooLarge(`${bytesMax} bytes`, ' in one line') };
      else if (!isBlank(bytes)) yield { number, bytes };
    },
  };
}

function* piecesOf(chunk: Buffer): Generator<{ readonly piece: Buffer; readonly isEnd: boolean }> {
  let from = 0;
  for (let to = chunk.indexOf(newline); to !== -1; to = chunk.indexOf(newline, from)) {
    yield { piece: chunk.subarray(from, to), isEnd: true };
    from = to + 1;
  }
  yield { piece: chunk.subarray(from), isEnd: false };
}

/** A line of JSON shows in its first bytes that it is none of blanks. */
const isBlank = (bytes: Buffer): boolean =>
  blank.test(bytes.toString('latin1', 0, 1)) && blank.test(bytes.toString('latin1'));

const tooLarge = (most: string, where = ''): Problem =>
  new Problem('body_too_large', { detail: `At most ${most} are taken${where}.` });

const tooLate = (ms: number): Problem =>
  new Problem('request_timeout', {
    detail: `Lines are read for ${ms / 1_000} seconds. This line and those after it have not been read.`,
  });
