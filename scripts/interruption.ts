/** Ctrl-C, as an error: whoever races with it stops what was started all the same. */
export function interruption(): Promise<never> {
  return new Promise((_resolve, reject) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => reject(new Error('Interrupted.')));
    }
  });
}
