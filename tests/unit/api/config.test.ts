import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { loadConfig } from '../../../api/config';
import { aConfig } from './fake-api';

describe('the configuration of the API', () => {
  it('names every variable that is wrong in one error, and no value', () => {
    const load = () =>
      loadConfig({ API_PORT: 'eighty', API_SECRET: 'short-secret', TEMPORAL_ADDRESS: '' });
    expect(load).toThrow(/API_PORT[^]*API_DATABASE_URL|API_DATABASE_URL[^]*API_PORT/);
    expect(load).toThrow(/API_SECRET/);
    expect(load).toThrow(/TEMPORAL_ADDRESS/);
    expect(load).not.toThrow(/short-secret/);
  });

  it('takes a secret from a file', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'accord-')), 'secret');
    const secret = 'a secret from a file, long enough for all';
    writeFileSync(file, `${secret}\n`);
    expect(aConfig({ API_SECRET: '', API_SECRET_FILE: file }).secret).toBe(secret);
  });

  it('knows merchant accounts by tenant and currency, and only currencies that Accord moves', () => {
    const accounts = '{"acme":{"EUR":"shop-EUR"}}';
    expect(aConfig({ MERCHANT_ACCOUNTS: accounts }).merchantAccounts).toEqual({
      acme: { EUR: 'shop-EUR' },
    });
    expect(() => aConfig({ MERCHANT_ACCOUNTS: '{"acme":{"XXX":"a"}}' })).toThrow(
      /MERCHANT_ACCOUNTS/,
    );
    expect(() => aConfig({ MERCHANT_ACCOUNTS: '{' })).toThrow(/MERCHANT_ACCOUNTS/);
  });

  it('completes a risk policy, and refuses one that could never ask a person', () => {
    expect(aConfig().riskPolicy).toMatchObject({ reviewScore: 50, declineScore: 100 });
    const given = '{"amountLimits":{"EUR":{"review":5,"decline":9}},"newPayeeScore":0}';
    expect(aConfig({ RISK_POLICY: given }).riskPolicy).toMatchObject({
      newPayeeScore: 0,
      velocity: { windowMs: 3_600_000 },
      amountLimits: { EUR: { review: 5, decline: 9 }, USD: { review: 1_000_000 } },
    });
    for (const wrong of [
      '{"reviewScore":101}',
      '{"amountLimits":{"EUR":{"review":9,"decline":5}}}',
      '{"amountLimits":{"XXX":{"review":1,"decline":2}}}',
      '{"velocity":{"max":0}}',
      '{"unknown":1}',
      '{',
    ]) {
      expect(() => aConfig({ RISK_POLICY: wrong })).toThrow(/RISK_POLICY/);
    }
  });

  it('cannot be changed afterwards', () => {
    expect(Object.isFrozen(aConfig())).toBe(true);
  });
});
