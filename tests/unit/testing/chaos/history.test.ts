import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from '@jest/globals';

import { callsOf, openHistory, readHistory } from '../../../../testing/chaos/history';
import { handMade } from './hand-made';

const folder = mkdtempSync(join(tmpdir(), 'accord-history-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a history', () => {
  it('has the line of a call before the call is answered, and its outcome under the same number', () => {
    const file = join(folder, 'order.jsonl');
    const history = openHistory(file);
    const operation = history.invoke('order', 'key-1', { gid: 'order:acme.1' }, 'client-1');
    expect(readFileSync(file, 'utf8')).toMatch(/"type":"invoke".*\n$/);
    history.invoke('read', 'order:acme.1', {}, 'client-2').unknown({});
    operation.ok({ gid: 'order:acme.1', status: 202, answer: 'accepted' });
    history.close();
    const lines = readHistory(file);
    expect(lines.map(({ n, type, proc }) => `${n} ${type} ${proc}`)).toEqual([
      '1 invoke client-1',
      '2 invoke client-2',
      '2 unknown client-2',
      '1 ok client-1',
    ]);
    expect(lines.map(({ t }) => t)).toEqual(lines.map(({ t }) => t).sort((a, b) => a - b));
  });

  it('is read without the line that its writer died in, and with no other left out', () => {
    const file = join(folder, 'killed.jsonl');
    const history = openHistory(file);
    history.invoke('order', 'key-1', {}, 'client-1');
    history.close();
    appendFileSync(file, '{"n":1,"proc":"cli');
    expect(readHistory(file)).toHaveLength(1);
    writeFileSync(file, 'no line of a history\n');
    expect(() => readHistory(file)).toThrow(SyntaxError);
  });

  it('leaves the outcome of a call open that nobody answered, and refuses two of one', () => {
    const history = handMade();
    history.openOrder('1');
    history.openOrder('2')('unknown');
    const answer = history.openOrder('3');
    answer('ok');
    const calls = callsOf(history.lines);
    expect(calls.map(({ outcome }) => outcome)).toEqual(['unknown', 'unknown', 'ok']);
    expect(calls.map(({ to }) => to)).toEqual([Infinity, Infinity, 4]);
    answer('fail');
    expect(() => callsOf(history.lines)).toThrow('Call 3 has two outcomes.');
  });
});
