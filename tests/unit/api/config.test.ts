import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { loadConfig } from '../../../api/config';
import { shopVariables } from '../../../api/shop/config';
import { currencies } from '../../../contracts/engine/money';
import { ConfigurationError } from '../../../runtime/environment';
import { aConfig } from './fake-api';

describe('the configuration of the API', () => {
  it('names every variable that is wrong in one error, and no value', () => {
    const load = () =>
      loadConfig(shopVariables, {
        ...{ API_PORT: 'eighty', API_SECRET: 'short-secret', TEMPORAL_ADDRESS: '' },
      });
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

  it('knows no accounts of a tenant that is named as the cluster is', () => {
    for (const name of ['MERCHANT_ACCOUNTS', 'CLEARING_ACCOUNTS']) {
      const own = { [name]: '{"acme":{"EUR":"shop-EUR"}}' };
      expect(() => aConfig({ ...own, ACCORD_CLUSTER: 'acme' })).toThrow(
        `${name}: acme is a cluster, and no tenant may have its name.`,
      );
    }
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

  it('takes limits of every currency of ISO 4217, and has none of one that nobody has set', () => {
    const limits = { review: 5, decline: 9 };
    const given = { RISK_POLICY: JSON.stringify({ amountLimits: { CHF: limits } }) };
    expect(aConfig(given).riskPolicy.amountLimits).toMatchObject({ CHF: limits });
    expect(aConfig().riskPolicy.amountLimits).not.toHaveProperty('CHF');
    expect(aConfig().twoPersonThresholds).not.toHaveProperty('CHF');
    const all = Object.fromEntries(currencies.map((currency) => [currency, 7]));
    expect(aConfig({ TWO_PERSON_THRESHOLDS: JSON.stringify(all) }).twoPersonThresholds).toEqual(
      all,
    );
  });

  it('wants two persons from an amount of each currency on, and takes no other currency', () => {
    expect(aConfig().twoPersonThresholds).toMatchObject({ EUR: 1_000_000, JPY: 1_500_000 });
    const given = aConfig({ TWO_PERSON_THRESHOLDS: '{"EUR":0}' }).twoPersonThresholds;
    expect(given).toMatchObject({ EUR: 0, USD: 1_000_000 });
    for (const wrong of ['{"EUR":-1}', '{"EUR":0.5}', '{"XXX":1}', '{'])
      expect(() => aConfig({ TWO_PERSON_THRESHOLDS: wrong })).toThrow(/TWO_PERSON_THRESHOLDS/);
  });

  it('takes operators with issuer, audience and one set of public keys, or none at all', () => {
    const issuer = { OPERATOR_ISSUER: 'https://people.example', OPERATOR_AUDIENCE: 'accord' };
    const keys = '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}';
    const url = 'https://people.example/keys';
    expect(aConfig().operators).toBeNull();
    expect(aConfig({ ...issuer, OPERATOR_KEYS_URL: url }).operators).toMatchObject({ url });
    expect(aConfig({ ...issuer, OPERATOR_KEYS: keys }).operators).toHaveProperty('keySet');
    const some = { OPERATOR_KEYS: keys, OPERATOR_KEYS_URL: url };
    expect(() => aConfig(some)).toThrow(
      /OPERATOR_ISSUER: missing[^]*OPERATOR_AUDIENCE: missing[^]*exactly one/,
    );
    expect(() => aConfig(issuer)).toThrow(/exactly one/);
    for (const wrong of [
      { OPERATOR_KEYS: '{"keys":[]}' },
      { OPERATOR_KEYS: '{"keys":[{"kty":"oct","k":"a-shared-secret"}]}' },
      { OPERATOR_KEYS: '{"keys":[{"kty":"OKP","d":"a-private-key"}]}' },
    ]) {
      expect(() => aConfig({ ...issuer, ...wrong })).toThrow(/OPERATOR_KEYS/);
      expect(() => aConfig({ ...issuer, ...wrong })).not.toThrow(/secret|private-key/);
    }
    const open = { ...issuer, OPERATOR_KEYS_URL: 'http://people.example/keys' };
    expect(() => aConfig(open)).toThrow(/OPERATOR_KEYS_URL/);
  });

  it.each([
    ['API_PORT', '65536'],
    ['API_TRUST_PROXY_HOPS', '17'],
    ['API_DATABASE_CONNECTIONS', '0'],
    ['REVIEW_MS', '0'],
    ['STARTS_PER_SECOND', '0'],
    ['READS_PER_SECOND', '0'],
    ['OPERATIONS_PER_SECOND', '0'],
    ['FAILED_CREDENTIALS_PER_SECOND', '0'],
    ['START_BACKLOG_MAX', '-1'],
    ['STARTS_IN_HAND_MAX', '0'],
    ['LOOP_DELAY_MAX_MS', '0'],
    ['WAITERS_MAX', '1000001'],
    ['SHUTDOWN_GRACE_MS', '600001'],
    ['FAULT_SEED', '-1'],
  ])('has bounds for every number: %s=%s', (name, value) => {
    expect(() => aConfig({ [name]: value })).toThrow(
      new RegExp(`${name}: not a whole number from \\d+ to \\d+$`),
    );
  });

  it.each([
    ['LOG_LEVEL', 'loud', 'not one of trace, debug, info, warn, error, fatal, silent'],
    ['ACCORD_DEVELOPMENT', 'yes', 'not one of allow-faults'],
    ['RISK_POLICY', '5', 'not an object'],
    ['RISK_POLICY', '{"reviewScore":"fifty"}', 'not a number', 'reviewScore'],
    ['RISK_POLICY', '{"reviewScore":0.5}', 'not a whole number', 'reviewScore'],
    ['RISK_POLICY', '{"velocity":{"max":0}}', 'less than 1', 'velocity.max'],
    ['RISK_POLICY', '{"velocity":{"score":5000}}', 'more than 1000', 'velocity.score'],
    ['RISK_POLICY', '{"reviewScor":5}', 'nothing reads reviewScor'],
    ['RISK_POLICY', '{"amountLimits":{"XAU":{}}}', 'nothing reads XAU', 'amountLimits'],
    ['TWO_PERSON_THRESHOLDS', '{"XDR":1}', 'nothing reads XDR'],
    ['RISK_POLICY', '{"amountLimits":{"EUR":{"review":5}}}', 'missing', 'amountLimits.EUR.decline'],
    [
      'MERCHANT_ACCOUNTS',
      '{"acme":{"EUR":".."}}',
      'not of the form that is taken here',
      'acme.EUR',
    ],
    ['MERCHANT_ACCOUNTS', '{"A C M E":{}}', 'no name that is taken here', 'A C M E'],
    ['API_HOST', '[::1', 'not of the form name, IPv4 address or [IPv6]'],
    ['OPERATOR_KEYS_URL', 'http://%', 'not of the form https://…'],
  ])(
    'says once what is wrong with a value, and where: %s=%s',
    (name, value, reason, place = '') => {
      expect(() => aConfig({ [name]: value })).toThrow(
        new ConfigurationError(
          `The configuration is wrong:\n  ${name}${place === '' ? '' : `, ${place}`}: ${reason}`,
        ),
      );
    },
  );

  it.each([
    ['TEMPORAL_ADDRESS', '[::1]:7233'],
    ['API_HOST', '[::1]'],
    ['REDIS_URL', 'redis://[::1]:6379'],
    ['API_BOOKS_DATABASE_URLS', 'mysql://books:secret@[::1]:3306/accord_orders'],
  ])('takes an IPv6 address: %s', (name, value) => {
    expect(() => aConfig({ [name]: value })).not.toThrow();
  });

  it('takes the keys of an issuer on this machine by IPv6, too', () => {
    const operators = {
      OPERATOR_ISSUER: 'here',
      OPERATOR_AUDIENCE: 'accord',
      OPERATOR_KEYS_URL: 'http://[::1]:8000/keys',
    };
    expect(() => aConfig(operators)).not.toThrow();
  });

  it('refuses an address that no client could use, by the name of its variable alone', () => {
    for (const [name, value] of [
      ['TEMPORAL_ADDRESS', 'temporal'],
      ['API_DATABASE_URL', 'mysql://api:50%@127.0.0.1:3306/accord'],
      ['API_HOST', 'no host'],
    ] as const) {
      expect(() => aConfig({ [name]: value })).toThrow(`${name}: `);
      expect(() => aConfig({ [name]: value })).not.toThrow(/50%@/);
    }
  });

  it('says which address of the books is wrong, and whose it is', () => {
    const urls = ['mysql://b:hunter2@h/accord_orders', 'mysql://b:50%@h/accord_coupons'].join(',');
    expect(() => aConfig({ API_BOOKS_DATABASE_URLS: urls })).toThrow(
      'API_BOOKS_DATABASE_URLS, address 2 of 2 (coupons): a % that begins no escape',
    );
    expect(() => aConfig({ API_BOOKS_DATABASE_URLS: urls })).not.toThrow(/hunter2|50%@/);
  });

  it('cannot be changed afterwards', () => {
    expect(Object.isFrozen(aConfig())).toBe(true);
  });
});
