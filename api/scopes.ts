/** What a credential may do. A route names one; a credential holds some. */
export const scopes = [
  'tx:start',
  'tx:read',
  'tx:cancel',
  'payments:review',
  'ops:read',
  'ops:resolve',
  'ops:approve',
  'ops:failover',
  'ops:breakglass',
  'admin:keys',
] as const;
export type Scope = (typeof scopes)[number];

export const isScope = (name: string): name is Scope =>
  (scopes as readonly string[]).includes(name);

/** To act alone where two persons are wanted is given by its own name, never along with the rest. */
const breakGlass: Scope = 'ops:breakglass';
const opsScopes = scopes.filter((scope) => scope.startsWith('ops:') && scope !== breakGlass);

/** The scopes that a credential is given: `ops` stands for every `ops:*` but `ops:breakglass`. */
export const expandScopes = (names: readonly (Scope | 'ops')[]): readonly Scope[] => [
  ...new Set(names.flatMap((name) => (name === 'ops' ? opsScopes : [name]))),
];

export const isScopeOrOps = (name: string): name is Scope | 'ops' =>
  name === 'ops' || isScope(name);
