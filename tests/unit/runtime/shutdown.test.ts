import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { createLogger } from '../../../runtime/logger';
import { stopOnSignal } from '../../../runtime/shutdown';

const logger = createLogger({ process: 'test', level: 'silent' });

describe('the way to stop', () => {
  let exit: jest.SpiedFunction<typeof process.exit>;
  beforeEach(() => {
    jest.useFakeTimers();
    exit = jest.spyOn(process, 'exit').mockImplementation(() => undefined as never); // The test goes on.
  });
  afterEach(() => {
    process.removeAllListeners('SIGTERM').removeAllListeners('SIGINT');
    jest.useRealTimers();
    exit.mockRestore();
  });

  it('gives a process its whole grace, and then 30 s, before it ends itself', async () => {
    const graceMs = 90_000;
    stopOnSignal(logger, () => new Promise(() => undefined), graceMs);
    process.emit('SIGTERM');
    await jest.advanceTimersByTimeAsync(graceMs + 29_999);
    expect(exit).not.toHaveBeenCalled();
    await jest.advanceTimersByTimeAsync(1);
    expect(exit).toHaveBeenCalledWith(1);
  });
});
