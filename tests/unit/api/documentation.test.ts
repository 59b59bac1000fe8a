import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { problems } from '../../../api/http/errors';
import { scopes } from '../../../api/http/scopes';
import { codeOfFailure, engineReasons, parkReasons } from '../../../contracts/engine/failures';
import { shop } from '../../../contracts/shop';
import { fakeApi, type FakeApi } from './fake-api';
import { operationsOf, titleOf } from './operations';

const page = readFileSync(join(__dirname, '../../../docs/http.md'), 'utf8');
/** Requests as the page shows them: path, and the body behind the headers. */
const shown = [...page.matchAll(/^POST (\S+)\n(?:[A-Z].*\n\n)?(\{[^]*?\})$(?=\n\n|\n```)/gm)].map(
  ([, path = '', body = '']) => [path, body] as const,
);
const requests = shown.filter(([path]) => !path.endsWith('/bulk'));
const bulks = shown.filter(([path]) => path.endsWith('/bulk'));

describe('docs/http.md', () => {
  let api: FakeApi;
  beforeAll(async () => {
    api = await fakeApi();
  });
  afterAll(() => api.api.close());

  it('names every route, scope and problem', async () => {
    const operations = await operationsOf(api.api);
    const missing = operations.filter(
      ({ path }) => !page.includes(path.replace(/\{(\w+)\}/g, ':$1')),
    );
    expect(missing.map(titleOf)).toEqual([]);
    expect(scopes.filter((scope) => !page.includes(scope))).toEqual([]);
    expect(Object.keys(problems).filter((code) => !page.includes(`\`${code}\``))).toEqual([]);
  });

  it('names every reason of an ending and of a parked transaction, and no other', () => {
    const [, reasons = ''] = /^### Reasons\n([^]*?)^### /m.exec(page) ?? [];
    const [, refusals = '', engine = ''] = reasons.split(/^\| \w+ of .*$/m);
    const firstColumn = (table: string) =>
      [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code);
    const [, park = ''] = /^Reasons to park: (.*?)\. /m.exec(reasons) ?? [];
    expect({
      refusals: firstColumn(refusals).sort(),
      engine: firstColumn(engine).sort(),
      park: (park.match(/\w+/g) ?? []).sort(),
    }).toEqual({
      refusals: shop.refusals.map(codeOfFailure).sort(),
      engine: engineReasons.map(codeOfFailure).sort(),
      park: [...parkReasons].sort(),
    });
  });

  it('shows a request for each start', async () => {
    const starts = (await operationsOf(api.api)).filter(
      ({ kind, needsKey }) => kind === 'start' && needsKey,
    );
    expect(requests.map(([path]) => path.replace('P-1', '{id}')).sort()).toEqual(
      starts.map(({ path }) => path).sort(),
    );
  });

  it.each(requests)('shows a request that would be taken: %s', async (path, body) => {
    const answer = await api.api.inject({
      method: 'POST',
      url: `${path}?dryRun=true`,
      headers: { authorization: api.credential(), 'content-type': 'application/json' },
      payload: body,
    });
    expect({ status: answer.statusCode, body: answer.body }).toMatchObject({ status: 200 });
  });

  it.each(bulks)('shows lines that would be taken: %s', async (path, body) => {
    const answer = await api.api.inject({
      method: 'POST',
      url: path,
      headers: { authorization: api.credential(), 'content-type': 'application/x-ndjson' },
      payload: body,
    });
    const lines = answer.body.trim().split('\n');
    expect(lines).toHaveLength(body.split('\n').length);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ status: 202 });
  });
});
