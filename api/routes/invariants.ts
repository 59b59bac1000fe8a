import { z } from 'zod';

import type { Violation } from '../../invariants/runner';
import { tenantOfRow } from '../../invariants/tenants';
import type { Tenant } from '../../contracts/engine/ids';
import type { Invariants } from '../invariants';
import { principalOf, type Api } from '../http/route-rules';
import { anyJson } from '../http/schemas';

const checkSchema = z.object({
  id: z.string(),
  name: z.string(),
  /** `null`: of several together. */
  database: z.string().nullable(),
  ok: z.boolean(),
  /** How many it judged: a check that judged none proves nothing. */
  rows: z.number(),
  /** Violations of all tenants, at most 100. */
  violations: z.number(),
  /** Rows that an ending resolved by hand declares, and that are not booked yet: no violations. */
  declared: z.number(),
  ms: z.number(),
  /** Rows of the own tenant, at most 10. */
  sample: z.array(z.object({ database: z.string(), row: anyJson })),
});
const invariantsSchema = z
  .object({ checkedAt: z.iso.datetime(), ok: z.boolean(), checks: z.array(checkSchema) })
  .meta({ id: 'Invariants' });

const sampleMax = 10;

/** The invariants of what changed lately. Counts are of all tenants, rows of the caller's tenant only. */
export function invariantRoutes(
  api: Api,
  { invariants }: { readonly invariants: Invariants },
): void {
  api.get('/v1/invariants', {
    config: { rules: { kind: 'list', scope: 'ops:read', realm: 'any' } },
    schema: {
      summary: 'The checks of the books over what changed lately; 200 also where one is broken',
      response: { 200: invariantsSchema },
    },
    handler: async (request) => {
      const { tenant } = principalOf(request);
      const { at, books } = await invariants.look();
      return {
        checkedAt: at.toISOString(),
        ok: books.violations.length === 0,
        checks: books.checks.map(
          ({ id, oracle, database, verdict, rows, violations, declared, ms }) => ({
            id,
            name: oracle.slice(id.length + 2),
            database,
            ok: verdict === 'sound',
            rows,
            violations,
            declared,
            ms,
            sample: sampleOf(books.violations, { oracle, database, tenant }),
          }),
        ),
      };
    },
  });
}

function sampleOf(
  violations: readonly Violation[],
  {
    oracle,
    database,
    tenant,
  }: {
    readonly oracle: string;
    readonly database: string | null;
    readonly tenant: Tenant;
  },
): z.infer<typeof checkSchema>['sample'] {
  return violations
    .filter((one) => one.oracle === oracle && (database === null || one.database === database))
    .filter(({ row }) => tenantOfRow(row) === tenant)
    .slice(0, sampleMax)
    .map((one) => ({
      database: one.database,
      row: z.json().parse(JSON.parse(JSON.stringify(one.row))),
    }));
}
