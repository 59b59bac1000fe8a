import type { Realm } from './realms';

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

/** Scopes of one realm only. Every other scope means the same in both realms. */
const realmOfScope: Readonly<Partial<Record<Scope, Realm>>> = {
  'tx:start': 'tenant',
  'tx:cancel': 'tenant',
  'payments:review': 'tenant',
  'ops:failover': 'cluster',
};

/** Whether a credential of the realm may have it. */
export const isScopeOf =
  (realm: Realm) =>
  (scope: Scope): boolean =>
    (realmOfScope[scope] ?? realm) === realm;

/**
 * The scopes that a credential is given: `ops` stands for every `ops:*` of its realm but `ops:breakglass`. A named
 * scope of the other realm stays in the list, for the caller to refuse.
 */
export const expandScopes = (names: readonly (Scope | 'ops')[], realm: Realm): readonly Scope[] => [
  ...new Set(
    names.flatMap((name) => (name === 'ops' ? opsScopes.filter(isScopeOf(realm)) : [name])),
  ),
];

export const isScopeOrOps = (name: string): name is Scope | 'ops' =>
  name === 'ops' || isScope(name);
