import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import { createLogger } from '../../../runtime/logger';
import { createTransactionMetrics } from '../../../workers/transactions/metrics';

describe('the alarm of the fence', () => {
  it.each(['fenced', 'broken'] as const)(
    'names the transaction and its branch in the log: %s',
    (fence) => {
      const lines: string[] = [];
      const logger = createLogger({
        process: 'test',
        level: 'warn',
        destination: { write: (line) => lines.push(line) },
      });
      const { fence: metrics } = createTransactionMetrics(new Registry(), logger);
      metrics.verdict('reserveStock', { gid: 'order:acme.O-1', branch: 'reserveStock', fence });
      metrics.verdict('reserveStock', { gid: 'order:acme.O-2', branch: 'other', fence: 'first' });
      expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
        expect.objectContaining({ gid: 'order:acme.O-1', branch: 'reserveStock', fence }),
      ]);
    },
  );
});
