/**
 * A signal to a process group reaches us from its sender, and from each parent process that passes it on. Signals
 * within this time of the first one count as one.
 */
const oneWishMs = 1_000;

/** Aborted by the first SIGINT or SIGTERM. One that comes later ends this process at once, with 1. */
export function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  let wishedAt = Infinity;
  const onSignal = (): void => {
    if (performance.now() - wishedAt > oneWishMs) process.exit(1);
    wishedAt = Math.min(wishedAt, performance.now());
    stopping.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return stopping.signal;
}

/** Ctrl-C as an error. Its callers still stop what they have started. */
export function interruption(): Promise<never> {
  return new Promise((_resolve, reject) => {
    stopSignal().addEventListener('abort', () => reject(new Error('Interrupted.')));
  });
}
