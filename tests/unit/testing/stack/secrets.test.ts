import { describe, expect, it } from '@jest/globals';

import { newSecret } from '../../../../testing/stack/profile';

describe('a generated secret', () => {
  it('is a password that MySQL takes, also of a standby that pulls, and stands in URLs and SQL as it is', () => {
    const secrets = Array.from({ length: 100 }, newSecret);
    for (const each of secrets) {
      expect(each).toMatch(/^[\w-]{20,32}$/); // CHANGE REPLICATION SOURCE refuses one of 33.
      for (const kind of [/[a-z]/, /[A-Z]/, /\d/, /[-_]/]) expect(each).toMatch(kind);
    }
    expect(new Set(secrets).size).toBe(100);
  });
});
