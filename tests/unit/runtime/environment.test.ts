import { describe, expect, it } from '@jest/globals';

import { apiVariables as apiVariablesWith } from '../../../api/config';
import { shopVariables } from '../../../api/shop/config';
import { warningsOfUnknown } from '../../../runtime/environment';
import { workerVariables } from '../../../workers/config';

const apiVariables = apiVariablesWith(shopVariables);
const processes = { api: apiVariables, ...workerVariables() };
const everyVariable = Object.values(processes).flat();
const given = (...names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, 'a value']));

describe('the environment of a process', () => {
  it.each([
    ['ACCORD_CLUSTR', 'ACCORD_CLUSTER'],
    ['TWO_PERSON_TRESHOLDS', 'TWO_PERSON_THRESHOLDS'],
    ['START_PER_SECOND', 'STARTS_PER_SECOND'],
    ['API_SECRETS_FILE', 'API_SECRET'],
    ['FAULT', 'FAULTS'],
  ])('is warned of %s, which is not %s', (name, meant) => {
    expect(warningsOfUnknown(apiVariables, given(name))).toEqual([
      `${name} is read by nothing: is ${meant} meant?`,
    ]);
  });

  it('is warned of every name that can only be ours, and never told its value', () => {
    expect(warningsOfUnknown(apiVariables, given('ACCORD_LIMITS'))).toEqual([
      'ACCORD_LIMITS is read by nothing.',
    ]);
  });

  it.each(Object.entries(processes))(
    'of the %s may hold what any other process reads, also as files',
    (_, known) => {
      const all = everyVariable.flatMap((name) => [name, `${name}_FILE`]);
      expect(warningsOfUnknown(known, given(...all))).toEqual([]);
    },
  );

  it('may hold what a stack, a container and a shell put there, and empty names', () => {
    const names = [
      ...['ACCORD_RECORD', 'ACCORD_REDIS_PASSWORD', 'ACCORD_TEMPORAL_METRICS_PORT'],
      ...['ACCORD_API_SERVICE_HOST', 'ACCORD_API_SERVICE_PORT_HTTP', 'ACCORD_API_PORT_80_TCP_ADDR'],
      ...[
        'HOME',
        'HOST',
        'PORT',
        'PATH',
        'SHELL',
        'USER',
        'LANG',
        'TZ',
        'NODE_ENV',
        'NODE_OPTIONS',
      ],
    ];
    expect(warningsOfUnknown(apiVariables, given(...names))).toEqual([]);
    expect(warningsOfUnknown(apiVariables, { ACCORD_CLUSTR: '' })).toEqual([]);
  });
});
