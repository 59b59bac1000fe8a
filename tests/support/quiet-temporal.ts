import { DefaultLogger, Runtime } from '@temporalio/worker';

// 'OFF' prints everything; without this each worker prints five blocks.
Runtime.install({ logger: new DefaultLogger('ERROR') });
