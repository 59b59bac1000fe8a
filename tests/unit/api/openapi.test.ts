import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';

import { codeOfFailure } from '../../../contracts/engine/failures';
import { shop } from '../../../contracts/shop';
import { fakeApi, type FakeApi } from './fake-api';

const documentSchema = z.object({
  paths: z.record(
    z.string(),
    z.record(z.string(), z.object({ description: z.string(), tags: z.array(z.string()) })),
  ),
  components: z.object({
    schemas: z.record(
      z.string(),
      z.looseObject({ examples: z.array(z.record(z.string(), z.unknown())).optional() }),
    ),
  }),
});

describe('the OpenAPI document', () => {
  let api: FakeApi;
  let text: string;
  beforeAll(async () => {
    api = await fakeApi();
    text = (await api.api.inject({ url: '/openapi.json' })).body;
  });
  afterAll(() => api.api.close());

  it('breaks no recommended rule of the OpenAPI linter', () => {
    const linter = join(__dirname, 'lint-openapi.mjs');
    const found = execFileSync(process.execPath, [linter], { input: text, encoding: 'utf8' });
    expect(JSON.parse(found)).toEqual([]);
  });

  it('tells the code of every refusal that a participant declares, and of no other', () => {
    const { components } = documentSchema.parse(JSON.parse(text));
    const transaction = JSON.stringify(components.schemas['ReasonCode']);
    const told = /a refusal of a participant: (.*?);/.exec(transaction)?.[1] ?? '';
    const declared = [...shop.operations.values()].flatMap(({ refusals }) =>
      refusals.map(codeOfFailure),
    );
    expect(new Set(told.match(/[a-z_]+/g))).toEqual(new Set(declared));
  });

  it('says of every operation what its kind means and which scope it needs', () => {
    const { paths } = documentSchema.parse(JSON.parse(text));
    const descriptions = Object.values(paths).flatMap((operations) =>
      Object.values(operations).map(({ description }) => description),
    );
    expect(descriptions.length).toBeGreaterThan(40);
    for (const description of descriptions) {
      expect(description).toMatch(
        /Needs the scope `[a-z:-]+`(, in a credential of a (tenant|cluster))?\.$|Open to everybody\.$/,
      );
    }
  });

  it.each([
    ['NewOrder', '/v1/orders'],
    ['NewCheckout', '/v1/checkouts'],
    ['NewTransfer', '/v1/transfers'],
    ['NewPayment', '/v1/payments'],
    ['NewRefund', '/v1/payments/P-1/refunds'],
    ['NewSettlement', '/v1/settlements'],
  ])('shows an example that would be taken: %s', async (name, path) => {
    const { components } = documentSchema.parse(JSON.parse(text));
    const [example] = components.schemas[`${name}Input`]?.examples ?? [];
    const answer = await api.api.inject({
      method: 'POST',
      url: `${path}?dryRun=true`,
      headers: { authorization: api.credential(), 'content-type': 'application/json' },
      payload: JSON.stringify(example ?? null),
    });
    expect({ status: answer.statusCode, body: answer.body }).toMatchObject({ status: 200 });
  });

  it('lets a browser run nothing of an answer, and of the viewer only what this server sends', async () => {
    const policyOf = async (url: string) =>
      String((await api.api.inject({ url })).headers['content-security-policy']);
    expect(await policyOf('/openapi.json')).toBe("default-src 'none';frame-ancestors 'none'");
    const viewer = await policyOf('/docs/static/index.html');
    expect(viewer).toContain("script-src 'self'");
    expect(viewer).toContain("frame-ancestors 'none'");
    expect(viewer).not.toMatch(/https?:/);
  });
});
