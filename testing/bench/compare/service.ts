/** What the programs of the arms share: what they are told, and one HTTP route that is answered when all is done. */
import { createServer } from 'node:http';

import { givenVariable } from '../../stack/config';
import { reasonOf } from '../../../runtime/waiting';
import type { Transfer } from './arm';

/** @throws where the arm that has started this program has not set it. */
export function told(name: string): string {
  const value = givenVariable(name);
  if (value === undefined) throw new Error(`${name} is not set: compare starts this program.`);
  return value;
}

/** `POST /transfer`: 200 when `transfer` has ended. `GET /`: it is up. */
export function serve(port: number, transfer: (given: Transfer) => Promise<unknown>): void {
  createServer((request, response) => {
    const answer = (status: number, text: string): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(text);
    };
    if (request.method === 'GET') {
      answer(200, '{}');
      return;
    }
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const given = JSON.parse(Buffer.concat(parts).toString('utf8')) as Transfer;
      transfer(given).then(
        () => answer(200, '{}'),
        (error: unknown) => answer(500, JSON.stringify(reasonOf(error))),
      );
    });
  }).listen(port, '127.0.0.1');
}

/** Ends the program at SIGTERM, after `close`. */
export function endWith(close: () => Promise<unknown>): void {
  process.once('SIGTERM', () => {
    void close().finally(() => process.exit(0));
  });
}
