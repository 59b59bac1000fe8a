/** First part of a gid: the word of the flow, `flowPattern`. Each application declares its own. */
export type Flow = string;
export const flowPattern = /^[a-z][a-z0-9]{0,13}$/;
/** Flows of operators on a cluster. The cluster's name takes the place of the tenant, so no tenant may have it. */
export const operatorFlows = ['failover', 'failback'] as const;
export type OperatorFlow = (typeof operatorFlows)[number];
export const isOperatorFlow = (flow: Flow): flow is OperatorFlow =>
  (operatorFlows as readonly Flow[]).includes(flow);

/** Code of a tenant, `[a-z0-9]{1,16}`. */
export type Tenant = string;
/** `<tenant>.<id>`: every business id in a participant's table and in Redis. Two tenants may both have an `O-1001`. */
export type BusinessId = string;
/** `<flow>:<tenant>.<reference>`: the transaction's id, never a run id. At most `gidLengthMax` bytes of ASCII. */
export type Gid = string;
/** A step as its participant sees it: `[A-Za-z0-9-]{1,64}`. `(gid, branch)` names one effect. */
export type Branch = string;
/** `<gid>/<branch>`: what act and undo of one step share. Never an attempt number or a run id. */
export type StepKey = string;

export const tenantPattern = /^[a-z0-9]{1,16}$/;
/** Never `.` or `..`: clients and proxies remove these segments from a path before the request arrives. */
export const referencePattern = /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,64}$/;
export const branchLengthMax = 64;
export const branchPattern = /^[A-Za-z0-9-]{1,64}$/;
export const gidLengthMax = 96;
const businessIdPattern = /^([a-z0-9]{1,16})\.([A-Za-z0-9._~-]{1,64})$/;

export const businessIdOf = (tenant: Tenant, id: string): BusinessId => `${tenant}.${id}`;

/** Inverse of `businessIdOf`; `undefined` for a string that it cannot have made. */
export function partsOfBusinessId(
  businessId: string,
): { readonly tenant: Tenant; readonly id: string } | undefined {
  const [, tenant, id] = businessIdPattern.exec(businessId) ?? [];
  return tenant === undefined || id === undefined ? undefined : { tenant, id };
}

export const gidOf = (flow: Flow, businessId: BusinessId): Gid => `${flow}:${businessId}`;

/** Inverse of `gidOf`; `undefined` for a string that it cannot have made. */
export function partsOfGid(
  gid: string,
): { readonly flow: Flow; readonly businessId: BusinessId } | undefined {
  if (gid.length > gidLengthMax) return undefined;
  const colon = gid.indexOf(':');
  const flow = gid.slice(0, colon);
  const businessId = gid.slice(colon + 1);
  if (colon < 0 || !flowPattern.test(flow)) return undefined;
  return businessIdPattern.test(businessId) ? { flow, businessId } : undefined;
}

export const stepKeyOf = (gid: Gid, branch: Branch): StepKey => `${gid}/${branch}`;

/** Inverse of `stepKeyOf`; `undefined` for a string that it cannot have made. */
export function partsOfStepKey(
  key: string,
): { readonly gid: Gid; readonly branch: Branch } | undefined {
  const slash = key.lastIndexOf('/');
  const gid = key.slice(0, slash);
  const branch = key.slice(slash + 1);
  return slash > 0 && partsOfGid(gid) && branchPattern.test(branch) ? { gid, branch } : undefined;
}

/** `<gid>/<branch>/<op>/<n>`: an event's id, the same however often it is published. */
export const eventIdOf = (gid: Gid, branch: Branch, op: string, n: number): string =>
  `${stepKeyOf(gid, branch)}/${op}/${n}`;
