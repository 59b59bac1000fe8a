import { describe, expect, it } from '@jest/globals';

import { withJobActivities } from '../../../../workers/transactions/activities';

const nothing = () => Promise.resolve(null);

describe("the activities of an application's own jobs", () => {
  it('are registered under their names, beside those of the engine', () => {
    const registered = withJobActivities(
      { 'hotel.holdRoom': nothing },
      { 'hotel.roomsDue': nothing },
    );
    expect(Object.keys(registered)).toEqual(['hotel.holdRoom', 'hotel.roomsDue']);
  });

  it('never take the place of another activity', () => {
    expect(() =>
      withJobActivities(
        { 'reconciliation.record': nothing },
        { 'reconciliation.record': () => Promise.resolve({}) },
      ),
    ).toThrow('An activity reconciliation.record is registered already.');
  });
});
