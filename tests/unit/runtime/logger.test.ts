import { describe, expect, it } from '@jest/globals';

import { createLogger } from '../../../runtime/logger';

/** The line that a call writes. */
function lineOf(log: (logger: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  log(
    createLogger({
      process: 'test',
      level: 'info',
      destination: { write: (line) => lines.push(line) },
    }),
  );
  return lines.join('');
}

describe('the log', () => {
  it('names no secret, wherever it stands', () => {
    const line = lineOf((logger) =>
      logger.info(
        { password: 'hunter2', config: { url: 'hunter2' }, a: { b: { token: 'hunter2' } } },
        'Started.',
      ),
    );
    expect(line).toContain('[redacted]');
    expect(line).not.toContain('hunter2');
  });

  it('keeps no password of an address that a driver quotes', () => {
    const error = new Error('Cannot reach mysql://accord:hunter2@127.0.0.1:3306/orders');
    const line = lineOf((logger) => logger.error({ err: error }, 'Failed.'));
    expect(line).toContain('mysql://accord:[redacted]@127.0.0.1:3306/orders');
    expect(line).not.toContain('hunter2');
  });

  it('keeps name, code and cause of an error, not its statement', () => {
    const cause = Object.assign(new Error('Duplicate.'), {
      code: 'ER_DUP_ENTRY',
      sql: 'INSERT hunter2',
    });
    const line = lineOf((logger) =>
      logger.error({ err: new Error('Failed.', { cause }) }, 'Failed.'),
    );
    expect(JSON.parse(line)).toMatchObject({
      err: { name: 'Error', message: 'Failed.', cause: { code: 'ER_DUP_ENTRY' } },
    });
    expect(line).not.toContain('hunter2');
  });
});
