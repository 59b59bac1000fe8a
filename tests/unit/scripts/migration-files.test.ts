import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { databases } from '../../../runtime/databases/shop';
import { migrationsOf, migrationsOfAccord } from '../../../runtime/databases/migration-files';

const fence = '2974356f1a18c1aa350fc8f8754a546e';
const openReservations = '8f69ec7d3c31ed5ddeb061fdab81403f';
const installation = '98d8049f77370d294bf345e586af9aa3';

describe('a migration that is put together of shared files', () => {
  it.each([
    ['accord', { 1: '1112c0c7a85b42d48341a9aefd9f2e2b' }],
    [
      'accounts',
      { 1: fence, 14: openReservations, 15: installation, 17: '75a8be81608ec1272009ab2a18786ee8' },
    ],
    [
      'coupons',
      { 1: fence, 4: openReservations, 5: installation, 6: 'ef84d9970412788262ead5f30eebd2a7' },
    ],
    [
      'inventory',
      { 1: fence, 4: openReservations, 5: installation, 6: '29a718c1dc5caa211f2b98e29a43bcc7' },
    ],
    ['orders', { 1: fence, 10: openReservations, 12: installation }],
  ])('is to the byte what ran before it was shared: %s', (database, ran) => {
    const found = new Map(
      migrationsOf(database, migrationsOfAccord(database)).map(({ version, md5 }) => [
        version,
        md5,
      ]),
    );
    for (const [version, md5] of Object.entries(ran))
      expect([database, version, found.get(Number(version))]).toEqual([database, version, md5]);
  });

  it('reaches the server without an include that is left', () => {
    const texts = databases
      .flatMap((database) => migrationsOf(database, migrationsOfAccord(database)))
      .map((one) => one.getSql());
    expect(texts.filter((text) => text.includes('-- include'))).toEqual([]);
  });
});

describe('a folder of migrations', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'accord-migrations-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  };
  const versions = (): readonly number[] =>
    migrationsOf('hotel', join(folder, 'hotel'), folder).map(({ version }) => version);

  it('is read in the order of its numbers', () => {
    for (const number of ['010', '9', '001']) write(`hotel/${number}.do.rooms.sql`, 'DO 0;\n');
    expect(versions()).toEqual([1, 9, 10]);
  });

  it('includes what is shared, also of a shared file, and has one checksum whatever the line ends', () => {
    write('shared/fence.sql', 'A;\n');
    write('shared/participant.sql', '-- include shared/fence.sql\n\nB;\n');
    write('hotel/001.do.participant.sql', '-- include shared/participant.sql\nC;\n');
    const [first] = migrationsOf('hotel', join(folder, 'hotel'), folder);
    expect(first?.getSql()).toBe('A;\n\nB;\nC;\n');
    write('shared/fence.sql', 'A;\r\n');
    write('hotel/001.do.participant.sql', '-- include shared/participant.sql\r\nC;\r\n');
    expect(migrationsOf('hotel', join(folder, 'hotel'), folder)[0]?.md5).toBe(first?.md5);
  });

  it('is refused with two files of one number, a name that is none, and an include that is missing', () => {
    write('hotel/001.do.rooms.sql', 'DO 0;\n');
    write('hotel/1.do.beds.sql', 'DO 0;\n');
    expect(versions).toThrow('Two migrations of hotel have the number 1.');
    rmSync(join(folder, 'hotel/1.do.beds.sql'));
    write('hotel/beds.sql', 'DO 0;\n');
    expect(versions).toThrow('hotel/beds.sql is no name of a migration');
    rmSync(join(folder, 'hotel/beds.sql'));
    write('hotel/002.do.beds.sql', '-- include shared/beds.sql\n');
    expect(versions).toThrow('shared/beds.sql');
  });
});
