import { DefaultLogger, Runtime } from '@temporalio/worker';

// The gate tells of each refusal itself; most of these tests refuse on purpose.
Runtime.install({
  logger: new DefaultLogger('ERROR', () => undefined),
  telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
});
