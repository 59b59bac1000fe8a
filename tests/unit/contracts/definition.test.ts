import { shop } from '../../../contracts/shop';
import { describe, expect, it } from '@jest/globals';

import { implement } from '../../../activities/fence/implement';
import type { Fence } from '../../../activities/fence/participant';
import {
  act,
  confirm,
  defineParticipant,
  operationsOf,
  retriableAct,
  seal,
  undo,
} from '../../../contracts/engine/definition';
import { event } from '../../../contracts/engine/events';
import { whole } from '../../../contracts/engine/schema';
import { shopParticipants } from '../../../contracts/participants';
import { regions } from '../../../contracts/regions/regions';
import { accord } from '../../../contracts/engine/runs';
import type { Keyed, Verdict } from '../../../contracts/engine/verdict';

interface HoldRoom {
  readonly hotelId: string;
  readonly nights: number;
}

const hotel = defineParticipant('hotel', {
  holdRoom: act<HoldRoom, { readonly roomNo: number }>({
    refusals: ['NoRoomLeft'],
    reserves: true,
    amounts: () => [{ kind: 'hold', currency: 'EUR', minorUnits: 100 }],
  }),
  releaseRoom: undo(),
  confirmRoom: confirm(),
  writeGuestBook: retriableAct(),
  sealBranch: seal(),
});

const room = {
  content: ({ hotelId, nights }: HoldRoom) => ({ hotelId, nights }),
  rows: () => 1,
  effect: () => Promise.resolve([]),
};
const guestBook = { content: () => ({}), rows: () => 1, effect: () => Promise.resolve([]) };
const followUp = { effect: () => Promise.resolve(undefined) };
const implementations = {
  holdRoom: room,
  releaseRoom: followUp,
  confirmRoom: followUp,
  writeGuestBook: guestBook,
};

const kept = { key: 'a:b.c/hold', ok: true, result: null } as const;
const bedHeld = event({
  by: ['hold'],
  when: 'A bed is set aside.',
  data: { beds: whole('Beds.') },
});

/** Its calls are never made: these lines must not compile. */
const mistakes = (fence: Fence, keyed: Keyed): void => {
  // @ts-expect-error an operation without its implementation
  implement(hotel, { holdRoom: room, releaseRoom: followUp, confirmRoom: followUp });
  // @ts-expect-error an undo in the place of an act
  implement(hotel, { ...implementations, holdRoom: followUp });
  const strange = { ...room, content: (other: { x: 1 }) => other };
  // @ts-expect-error content that reads what the request does not have
  implement(hotel, { ...implementations, holdRoom: strange });
  // @ts-expect-error a request without its rooms
  void implement(hotel, implementations)(fence).holdRoom([{ ...keyed, hotelId: 'h' }]);
  const announcing = (type: string) => ({
    ...room,
    effect: () => Promise.resolve([{ ...kept, event: { type, data: {} } }]),
  });
  // @ts-expect-error an event of a participant that declares none
  implement(hotel, { ...implementations, holdRoom: announcing('room.held') });
  const inn = defineParticipant('inn', { hold: act() }, { 'bed.held': bedHeld });
  const bed = { content: () => ({}), rows: () => 1 };
  const told = <Type extends string>(type: Type) =>
    Promise.resolve([{ ...kept, event: { type, data: { beds: 1 } } }] as const);
  implement(inn, { hold: { ...bed, effect: () => told('bed.held') } });
  // @ts-expect-error an event that it does not declare
  implement(inn, { hold: { ...bed, effect: () => told('bed.stolen') } });
  // @ts-expect-error an event of an operation that does not exist
  defineParticipant('inn', { keep: act() }, { 'bed.held': bedHeld });
  // @ts-expect-error a refusal of an undo: what was done is taken back, whatever the business thinks of it
  undo({ refusals: ['NoRoomLeft'] });
  // @ts-expect-error a refusal of a confirm
  confirm({ refusals: ['NoRoomLeft'] });
};

describe('a participant that is declared once', () => {
  it('lets none of its mistakes compile', () => {
    expect(mistakes).toBeInstanceOf(Function);
  });

  it('names its operations as Temporal knows them, and says what each asks of the fence', () => {
    const { holdRoom, releaseRoom, confirmRoom, writeGuestBook, sealBranch } = hotel;
    const all = [holdRoom, releaseRoom, confirmRoom, writeGuestBook, sealBranch];
    expect(all.map(({ type, verb }) => [type, verb])).toEqual([
      ['hotel.holdRoom', 'act'],
      ['hotel.releaseRoom', 'undo'],
      ['hotel.confirmRoom', 'confirm'],
      ['hotel.writeGuestBook', 'act'],
      ['hotel.sealBranch', 'seal'],
    ]);
    expect(holdRoom).toMatchObject({ reserves: true, refusals: ['NoRoomLeft'] });
    expect([holdRoom.refusalsAre, writeGuestBook.refusalsAre]).toEqual(['recorded', 'rolledBack']);
  });

  it('sends each activity to the fence under the verb of its operation', async () => {
    const asked: [string, string][] = [];
    const record = (verb: string, activity: string): Promise<readonly Verdict<never>[]> => {
      asked.push([verb, activity]);
      return Promise.resolve([]);
    };
    const fence: Fence = {
      act: ({ activity, reserves, refusals, refusalsAre }) =>
        record(`act ${String(reserves)} ${refusals.join()} ${refusalsAre}`, activity),
      confirm: ({ activity }) => record('confirm', activity),
      undo: ({ activity }) => record('undo', activity),
      seal: (activity) => record('seal', activity),
    };
    const activities = implement(hotel, implementations)(fence);
    await activities.holdRoom([]);
    await activities.releaseRoom([]);
    await activities.confirmRoom([]);
    await activities.writeGuestBook([]);
    await activities.sealBranch([]);
    expect(asked).toEqual([
      ['act true NoRoomLeft recorded', 'hotel.holdRoom'],
      ['undo', 'hotel.releaseRoom'],
      ['confirm', 'hotel.confirmRoom'],
      ['act false  rolledBack', 'hotel.writeGuestBook'],
      ['seal', 'hotel.sealBranch'],
    ]);
  });

  it.each([
    ['Fenced', 'the engine gives this name to a failure of its own'],
    ['NotYet', 'the engine gives this name to a failure of its own'],
    ['Cancelled', 'the engine gives this name to a failure of its own'],
    ['PastPivot', 'the engine gives this name to a failure of its own'],
    ['Unknown', 'the engine gives this name to a failure of its own'],
    ['Operator', 'its code is a reason to park'],
    ['no_room', 'it must be letters and digits that begin with a capital'],
    ['No'.repeat(22), `its code ${'_no'.repeat(22).slice(1)} has over 64 letters`],
  ])('cannot refuse with %s', (refusal, why) => {
    expect(() => defineParticipant('hotel', { hold: act({ refusals: [refusal] }) })).toThrow(
      `hotel.hold cannot refuse with ${refusal}: ${why}.`,
    );
  });

  it('cannot announce an event of another form of name', () => {
    const held = event({ by: ['hold'], when: 'Held.', data: {} });
    expect(() => defineParticipant('inn', { hold: act() }, { held })).toThrow(
      'inn cannot announce held: an event is named like stock.reserved, in at most 64 letters.',
    );
  });

  it('has operations whose generic event fits into an outbox', () => {
    const name = 'a'.repeat(61);
    expect(() => defineParticipant('inn', { [name]: act() })).toThrow(
      `inn.${name} is too long: an operation has at most 64 letters with its participant.`,
    );
    expect(() => defineParticipant('inn', { ['a'.repeat(60)]: undo() })).not.toThrow();
  });

  it('says of each operation which events it may announce', () => {
    const inn = defineParticipant('inn', { hold: act(), free: undo() }, { 'bed.held': bedHeld });
    expect([inn.hold.announces, inn.free.announces]).toEqual([['bed.held'], []]);
  });

  it('is in the register under the type of each of its operations', () => {
    const types = [...shopParticipants, accord, regions].flatMap((each) =>
      operationsOf(each).map(({ type }) => type),
    );
    expect([...shop.operations.keys()]).toEqual(types);
    expect(shop.operations.get('accounts.sealBranch')?.verb).toBe('seal');
  });
});
