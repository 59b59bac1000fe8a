/** Node 20 has no Promise.withResolvers (ES2024), which the SDK of Restate calls. To be imported before it. */
interface WithResolvers {
  withResolvers?: () => object;
}

const given: WithResolvers = Promise as WithResolvers;
given.withResolvers ??= () => {
  const ends: Record<string, unknown> = {};
  const promise = new Promise((resolve, reject) => Object.assign(ends, { resolve, reject }));
  return { promise, ...ends };
};
