import { describe, expect, it } from '@jest/globals';

import { breaksIn, catalogueOf } from '../../../contracts/engine/catalogue';
import { act, defineParticipant, seal, undo } from '../../../contracts/engine/definition';
import { event } from '../../../contracts/engine/events';
import {
  fields,
  listOf,
  nullable,
  oneOf,
  optional,
  text,
  whole,
  type Fields,
} from '../../../contracts/engine/schema';

const data = {
  roomNo: whole('Number of the room.'),
  kind: oneOf(['single', 'double'], 'Kind of the room.'),
  note: nullable(text('Note of the guest.'), '`null`: none.'),
  guests: listOf(fields({ name: text('Name.', 'Ada') }), 'All guests.'),
  discount: optional(whole('Cents.')),
};
const catalogue = (of: Fields = data, version = 1) =>
  catalogueOf([
    defineParticipant(
      'hotel',
      { hold: act(), free: undo(), sealHold: seal() },
      { 'room.held': event({ by: ['hold'], version, when: 'A room is set aside.', data: of }) },
    ),
  ]);

describe('the catalogue of events', () => {
  it('has every declared event with an example, and the generic one of each other operation', () => {
    expect(catalogue()).toMatchObject([
      {
        topic: 'accord.hotel',
        type: 'room.held',
        version: 1,
        by: ['hotel.hold'],
        example: { roomNo: 1, kind: 'single', note: 'text', guests: [{ name: 'Ada' }] },
      },
      { topic: 'accord.hotel', type: 'hotel.free', version: 1, by: ['hotel.free'], example: {} },
    ]);
  });

  it('may grow: a new field and a new event break no reader', () => {
    expect(breaksIn(catalogue(), catalogue({ ...data, floor: whole('Floor.') }))).toEqual([]);
    expect(breaksIn([], catalogue())).toEqual([]);
  });

  it('finds choices that are more or fewer, and items that are not described any more', () => {
    const [held] = catalogue({ stay: text('Stay.') });
    if (!held) throw new Error('The catalogue is empty.');
    const having = (stay: object) => [{ ...held, data: { properties: { stay }, required: [] } }];
    const one = { type: 'string' };
    const found = breaksIn(having({ anyOf: [one] }), having({ anyOf: [one, { type: 'null' }] }));
    expect(found).toEqual([expect.stringContaining('data.stay has other choices')]);
    const gone = breaksIn(having({ items: one }), having({}));
    expect(gone).toEqual([expect.stringContaining('data.stay says no more what its items are')]);
  });

  const { kind, note, guests, discount } = data;
  const withoutRoom = { kind, note, guests, discount };
  const at = 'room.held, version 1: data';
  it.each([
    ['a field that is gone', withoutRoom, `${at}.roomNo is gone`],
    [
      'another type',
      { ...data, roomNo: text('Room.') },
      `${at}.roomNo has another type and minimum and maximum`,
    ],
    [
      'another value of an enumeration',
      { ...data, kind: oneOf(['suite'], '') },
      `${at}.kind has another enum`,
    ],
    [
      'a field that may be left out',
      { ...data, roomNo: optional(data.roomNo) },
      `${at}.roomNo may be left out`,
    ],
    [
      'a value that may be null',
      { ...data, roomNo: nullable(data.roomNo, '') },
      `${at}.roomNo has another type and minimum and maximum`,
    ],
    ['a value that is never null', { ...data, note: text('') }, `${at}.note has another type`],
    [
      'a field of a list',
      { ...data, guests: listOf(fields({}), '') },
      `${at}.guests[].name is gone`,
    ],
  ])('demands a higher version for %s', (_, changed, why) => {
    expect(breaksIn(catalogue(), catalogue(changed))).toEqual([`${why}: raise the version.`]);
    expect(breaksIn(catalogue(), catalogue(changed, 2))).toEqual([]);
  });

  it('never takes a version down, nor an event away', () => {
    expect(breaksIn(catalogue(data, 2), catalogue())).toEqual([
      'room.held went from version 2 to 1: raise the version.',
    ]);
    expect(breaksIn(catalogue(), [])).toEqual([
      expect.stringMatching(/^room.held on accord.hotel is gone/),
      expect.stringMatching(/^hotel.free on accord.hotel is gone/),
    ]);
  });
});
