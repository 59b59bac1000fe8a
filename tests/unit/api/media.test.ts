import { describe, expect, it } from '@jest/globals';

import { preferredOf } from '../../../api/http/media';

describe('what a caller accepts', () => {
  const json = 'application/json';
  const csv = 'text/csv';

  it.each([
    [undefined, json],
    ['*/*', json],
    ['text/csv', csv],
    ['TEXT/CSV; header=present', csv],
    ['text/*', csv],
    ['application/json, text/csv', json],
    ['application/json;q=0.5, text/csv', csv],
    ['text/csv;q=0.4, */*;q=0.5', json],
    ['text/csv;q=0, */*', json],
    ['text/html', undefined],
    ['text/csv;q=0', undefined],
    ['', undefined],
  ])('%s is answered with %s', (accept, answered) => {
    expect(preferredOf(accept, [json, csv])).toBe(answered);
  });
});
