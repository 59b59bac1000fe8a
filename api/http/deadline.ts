/**
 * The result of `work`, or the error that `late` makes when it takes longer than `ms`. The work itself goes on: the
 * caller decides what becomes of it.
 */
export async function withinDeadline<Result>(
  ms: number,
  work: () => Promise<Result>,
  late: () => Error,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  try {
    return await Promise.race([work(), expiry]);
  } finally {
    clearTimeout(timer);
  }
}
