/** What a credential may do. A route names one; a credential holds some. */
export const scopes = [
  'tx:start',
  'tx:read',
  'tx:cancel',
  'payments:review',
  'ops:read',
  'ops:resolve',
  'admin:keys',
] as const;
export type Scope = (typeof scopes)[number];

export const isScope = (name: string): name is Scope =>
  (scopes as readonly string[]).includes(name);

/** The scopes that a key is given: `ops` stands for every `ops:*`. */
export const expandScopes = (names: readonly (Scope | 'ops')[]): readonly Scope[] => [
  ...new Set(
    names.flatMap((name) =>
      name === 'ops' ? scopes.filter((scope) => scope.startsWith('ops:')) : [name],
    ),
  ),
];
