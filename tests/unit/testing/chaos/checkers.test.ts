import { describe, expect, it } from '@jest/globals';

import { checkHistory, type Facts } from '../../../../testing/chaos/checkers';
import { aRun, ended, factsOf, handMade, order } from './hand-made';

const wrongBy = (history: ReturnType<typeof handMade>, facts: Partial<Facts>) =>
  checkHistory(history.lines, factsOf(facts)).violations.map(({ checker }) => checker);

const aTransition = (from: string | null, to: string | null) => ({
  database: 'accounts',
  gid: order('1'),
  branch: 'holdFunds',
  from,
  to,
});

describe('the set of starts', () => {
  it('wants each start that was taken, none that was refused, and leaves an unknown one open', () => {
    const history = handMade();
    history.ok('1');
    history.openOrder('2')('fail', { status: 422 });
    history.openOrder('3')('unknown');
    history.openOrder('4')('unknown');
    history.openOrder('5');
    expect(wrongBy(history, { runs: [aRun('1'), aRun('3'), aRun('5')] })).toEqual([]);
  });

  it('sees a start that was taken and lost', () => {
    const history = handMade();
    history.ok('1');
    expect(wrongBy(history, {})).toEqual(['set of starts']);
  });

  it('sees a start that was refused and is there', () => {
    const history = handMade();
    history.openOrder('1')('fail', { status: 503 });
    expect(wrongBy(history, { runs: [aRun('1')] })).toEqual(['set of starts']);
  });

  it('never takes an unknown start for a refused one, nor a client that was killed', () => {
    const history = handMade();
    history.openOrder('1')('unknown');
    history.openOrder('2')('unknown');
    history.openOrder('2')('fail', { status: 503 });
    history.openOrder('3');
    const { violations, evaluated } = checkHistory(
      history.lines,
      factsOf({ runs: [aRun('1'), aRun('2'), aRun('3')] }),
    );
    expect(violations).toEqual([]);
    expect(evaluated['set of starts']).toBe(3);
  });

  it('sees one key that has started twice, also where nobody knew', () => {
    const history = handMade();
    history.openOrder('1')('unknown');
    const second = { ...aRun('9'), idempotencyKey: 'key-1' };
    expect(wrongBy(history, { runs: [aRun('1'), second] })).toEqual(['set of starts']);
  });
});

describe('the same key', () => {
  it('is one transaction, whose later answers may tell more', () => {
    const history = handMade();
    history.ok('1', 'accepted');
    history.ok('1', 'running');
    history.ok('1', 'completed');
    expect(wrongBy(history, { runs: [aRun('1')] })).toEqual([]);
  });

  it('is never two transactions', () => {
    const history = handMade();
    history.ok('1');
    history.openOrder('1')('ok', { gid: order('2'), status: 202, answer: 'accepted' });
    expect(wrongBy(history, { runs: [aRun('1'), aRun('2')] })).toEqual(['same key']);
  });

  it('is told early alike each time', () => {
    const history = handMade();
    const gid = 'payment:acme.1';
    const run = { gid, flow: 'payment', state: 'completed', idempotencyKey: 'key' };
    for (const answer of ['authorised', 'authorised']) {
      history.open('payment', 'key', { gid })('ok', { gid, status: 200, answer });
    }
    expect(wrongBy(history, { runs: [run] })).toEqual([]);
    history.open('payment', 'key', { gid })('ok', { gid, status: 200, answer: 'declined' });
    expect(wrongBy(history, { runs: [run] })).toEqual(['same key']);
  });
});

describe('the register of one state', () => {
  it('goes forward, turns round, parks and ends', () => {
    const history = handMade();
    history.ok('1');
    for (const state of ['running', 'undoing', 'parked', 'undoing', 'compensated', 'compensated']) {
      history.read('1', state);
    }
    expect(wrongBy(history, { runs: [aRun('1', 'compensated')] })).toEqual([]);
  });

  it('is never merely accepted again', () => {
    const history = handMade();
    history.ok('1');
    history.read('1', 'running');
    history.read('1', 'accepted');
    expect(wrongBy(history, { runs: [aRun('1')] })).toEqual(['register']);
  });

  it('may be told older by a look that began before', () => {
    const history = handMade();
    history.ok('1');
    const look = history.open('read', order('1'), { gid: order('1') });
    history.read('1', 'completed');
    look('ok', { gid: order('1'), state: 'running' });
    expect(wrongBy(history, { runs: [aRun('1')] })).toEqual([]);
  });

  it('does not open again once it has ended', () => {
    const history = handMade();
    history.ok('1');
    history.read('1', 'completed');
    history.read('1', 'running');
    expect(wrongBy(history, { runs: [aRun('1')] })).toEqual(['register']);
  });

  it('is not there before its start was sent, and may be there after one of unknown outcome', () => {
    const early = handMade();
    early.read('1', 'running');
    early.ok('1');
    expect(wrongBy(early, { runs: [aRun('1')] })).toEqual(['register']);
    const late = handMade();
    late.openOrder('1')('unknown');
    late.read('1', 'running');
    expect(wrongBy(late, { runs: [aRun('1')] })).toEqual([]);
  });
});

describe('an ending', () => {
  it('is told once, and is what the row says', () => {
    const history = handMade();
    history.ok('1', 'compensated');
    const rows = { runs: [aRun('1', 'compensated')], endings: [ended('1', 'compensated')] };
    expect(wrongBy(history, rows)).toEqual([]);
    expect(wrongBy(history, { runs: [aRun('1', 'completed')] })).toEqual(['ending']);
  });

  it('never changes for those who were told', () => {
    const history = handMade();
    history.ok('1', 'compensated');
    history.read('1', 'completed');
    expect(wrongBy(history, { runs: [aRun('1')] })).toEqual(['register', 'ending']);
  });

  it('is written once, to a run that had none', () => {
    const history = handMade();
    expect(wrongBy(history, { endings: [ended('1')] })).toEqual([]);
    expect(wrongBy(history, { endings: [ended('1'), ended('1')] })).toEqual(['one ending']);
    const again = { gid: order('1'), from: 'completed', to: 'compensated' };
    expect(wrongBy(history, { endings: [again] })).toEqual(['one ending']);
  });
});

describe('the bounded counter', () => {
  const uses = { sku: 'S-1', quantity: 2 };
  const stock = [{ sku: 'acme.S-1', total: 3 }];

  it('counts what was completed, each transaction once', () => {
    const history = handMade();
    history.ok('1', 'completed', uses);
    history.ok('1', 'completed', uses);
    history.ok('2', 'compensated', uses);
    const runs = [aRun('1'), aRun('2', 'compensated')];
    const { violations, evaluated } = checkHistory(history.lines, factsOf({ runs, stock }));
    expect(violations).toEqual([]);
    expect(evaluated['bounded counter']).toBe(1);
  });

  it('sees more sold than there was, by the answers and by the rows', () => {
    const told = handMade();
    told.ok('1', 'completed', uses);
    told.ok('2', 'completed', uses);
    const runs = [aRun('1'), aRun('2')];
    expect(wrongBy(told, { runs, stock })).toEqual(['bounded counter', 'bounded counter']);
    const untold = handMade();
    untold.ok('1', 'accepted', uses);
    untold.ok('2', 'accepted', uses);
    expect(wrongBy(untold, { runs, stock })).toEqual(['bounded counter']);
  });
});

describe('what triggers have logged', () => {
  it('has tokens that stay or rise, each customer by himself', () => {
    const tokensOf = (...tokens: string[]) =>
      tokens.map((token) => ({ customer: 'acme.C-1', token }));
    const other = { customer: 'acme.C-2', token: '1' };
    expect(wrongBy(handMade(), { tokens: [...tokensOf('0', '7', '7', '10'), other] })).toEqual([]);
    expect(wrongBy(handMade(), { tokens: tokensOf('10', '9') })).toEqual(['lock']);
  });

  it.each([
    [null, 'acted'],
    [null, 'refused'],
    [null, 'empty'],
    [null, null],
    ['acted', 'confirmed'],
    ['acted', 'undone'],
  ])('lets a fence row go from %s to %s', (from, to) => {
    expect(wrongBy(handMade(), { transitions: [aTransition(from, to)] })).toEqual([]);
  });

  it.each([
    ['empty', 'acted'],
    ['undone', 'acted'],
    ['acted', 'refused'],
    ['acted', 'empty'],
    ['acted', null],
    ['confirmed', 'undone'],
    ['undone', 'confirmed'],
    ['refused', 'acted'],
    ['empty', null],
    ['reserving', 'expiring'],
  ])('never lets a fence row go from %s to %s', (from, to) => {
    const transitions = [aTransition(from, to)];
    expect(wrongBy(handMade(), { transitions })).toEqual(['fence transitions']);
  });
});

it('says of each checker how often it has looked', () => {
  const history = handMade();
  history.ok('1', 'completed');
  const { evaluated } = checkHistory(
    history.lines,
    factsOf({
      runs: [aRun('1')],
      endings: [ended('1')],
      tokens: [{ customer: 'acme.C-1', token: '1' }],
      transitions: [aTransition(null, 'acted')],
    }),
  );
  expect(evaluated).toEqual({
    'set of starts': 1,
    'same key': 1,
    register: 1,
    ending: 1,
    'bounded counter': 0,
    lock: 1,
    'fence transitions': 1,
    'one ending': 1,
  });
});
