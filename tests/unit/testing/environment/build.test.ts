import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { removeStale } from '../../../../testing/environment/build';

describe('a build in a checkout that was built before', () => {
  let output: string;
  beforeAll(() => {
    output = mkdtempSync(join(tmpdir(), 'accord-build-'));
    for (const folder of ['contracts/flows', 'test-bundles']) {
      mkdirSync(join(output, folder), { recursive: true });
    }
    for (const file of ['contracts/flows.js', 'contracts/flows/index.js', 'test-bundles/a.js']) {
      writeFileSync(join(output, file), '');
    }
  });
  afterAll(() => rmSync(output, { recursive: true }));

  it('leaves nothing of a source that is gone, which Node would load in the place of its successor', () => {
    removeStale(
      ['contracts/flows/index.ts', 'contracts/engine/ids.ts'],
      ['contracts', 'api'],
      output,
    );
    expect(existsSync(join(output, 'contracts/flows.js'))).toBe(false);
    expect(existsSync(join(output, 'contracts/flows/index.js'))).toBe(true);
    expect(existsSync(join(output, 'test-bundles/a.js'))).toBe(true);
  });
});
