import { describe, expect, it } from '@jest/globals';

import { actAlone } from '../../../../activities/regions/acting-alone';
import type { HubRow } from '../../../../activities/regions/hub-row';

const row: HubRow = {
  ...{ region: 'a', epoch: 4, sync: true, state: 'steady', holder: null, sequence: 2 },
};

describe('an active region', () => {
  it('is never told to acknowledge alone where the hub says that a standby acknowledges', async () => {
    const nobody = 'mysql://root@127.0.0.1:9';
    await actAlone({ read: () => Promise.resolve(row) }, nobody);
    const alone = { read: () => Promise.resolve({ ...row, sync: false }) };
    await expect(actAlone(alone, nobody)).rejects.toThrow('ECONNREFUSED');
  });
});
