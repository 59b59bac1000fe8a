import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { createOperators } from '../../../api/http/operators';
import { operatorToken, operatorVariables } from '../../../testing/environment/operators';
import { operatorsOf } from '../../../testing/environment/profile-operators';
import { aConfig } from '../../unit/api/fake-api';

const claims = { subject: 'alice', tenants: ['acme'], scopes: ['ops', 'tx:read'], minutes: 5 };

describe("a profile's own operators", () => {
  it('are taken by an API of the profile, and by no other', async () => {
    const token = await operatorToken(operatorsOf('test'), claims);
    const variables = await operatorVariables(operatorsOf('test'));
    const here = createOperators(aConfig(variables).operators, Date.now);
    expect(await here.verify(token)).toMatchObject({ subject: 'alice', tenants: ['acme'] });
    const elsewhere = { ...variables, OPERATOR_ISSUER: 'urn:accord:dev' };
    await expect(
      createOperators(aConfig(elsewhere).operators, Date.now).verify(token),
    ).rejects.toThrow('"iss"');
  });

  it('have one key, however many ask for it at once, that nobody else can read', async () => {
    const tokens = await Promise.all(
      [1, 2, 3].map(() => operatorToken(operatorsOf('test'), claims)),
    );
    const variables = await operatorVariables(operatorsOf('test'));
    const operators = createOperators(aConfig(variables).operators, Date.now);
    for (const token of tokens)
      expect(await operators.verify(token)).toMatchObject({ subject: 'alice' });
    const file = join(dirname(variables['OPERATOR_KEYS_FILE'] ?? ''), 'private-key.json');
    expect(statSync(file).mode & 0o077).toBe(0);
  });
});
