import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const folder = join(__dirname, '..', '..', '..', 'activities', 'regions');
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

describe('what a watch or switch of regions decides', () => {
  it.each(files)('hangs on the clock of MySQL, and never on that of the process: %s', (file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    expect(text).not.toMatch(/Date\.now|new Date\(\)/);
  });
});
