import threads, { type WorkerOptions } from 'node:worker_threads';

/**
 * Runs in a workflow thread before Temporal's own code. The SDK captures a stack for each promise of workflow code, for
 * the query `__stack_trace` alone: a quarter of the thread's time, and most of it in a batch.
 */
const withoutPromiseHooks = `data:text/javascript,${encodeURIComponent(
  // A copy: Node's own AsyncLocalStorage, by which scopes are known behind an await, uses the original.
  `import v8 from 'node:v8'; v8.promiseHooks = { ...v8.promiseHooks, createHook: () => () => undefined };`,
)}`;

/**
 * Starts the workflow threads of a worker without the SDK's promise hook. The query `__stack_trace` then answers an
 * empty stack.
 *
 * Until the SDK has an option for it: 1.24.0 starts its threads by `node:worker_threads` and passes them no options.
 *
 * @param start creates the worker, threads included.
 */
export async function withoutStackTraces<Result>(start: () => Promise<Result>): Promise<Result> {
  const { Worker: Thread } = threads;
  threads.Worker = class extends Thread {
    constructor(file: string | URL, options: WorkerOptions = {}) {
      const { execArgv = process.execArgv } = options;
      super(file, { ...options, execArgv: [...execArgv, '--import', withoutPromiseHooks] });
    }
  };
  try {
    return await start();
  } finally {
    threads.Worker = Thread;
  }
}
