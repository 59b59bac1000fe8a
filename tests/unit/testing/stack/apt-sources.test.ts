import { describe, expect, it } from '@jest/globals';

import { mirrorsOf } from '../../../../testing/stack/apt-sources';

describe('the Debian mirror of the machine', () => {
  it('is found among third-party and security archives in paragraphs', () => {
    const text = `Types: deb
URIs: https://packages.example/node
Suites: nodistro
Components: main

Types: deb
# A comment between two fields.
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
`;
    expect(mirrorsOf([{ name: 'debian.sources', text }], 'bookworm')).toEqual([
      { uri: 'http://mirror.example/debian', signedBy: '/usr/share/keyrings/archive.gpg' },
    ]);
  });

  it('is found in one-line entries, with or without options', () => {
    const text = `# deb http://old.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://one.example/archive trixie main contrib
deb-src http://src.example/debian trixie main
deb http://two.example/debian trixie main # the nearest
`;
    expect(mirrorsOf([{ name: 'sources.list', text }], 'trixie')).toEqual([
      { uri: 'http://two.example/debian', signedBy: undefined },
      { uri: 'http://one.example/archive', signedBy: '/k.gpg' },
    ]);
  });

  it('is not taken from a paragraph that is switched off', () => {
    const text =
      'Enabled: no\nTypes: deb\nURIs: http://a.example/debian\nSuites: sid\nComponents: main\n';
    expect(mirrorsOf([{ name: 'a.sources', text }], undefined)).toEqual([]);
  });
});
