import { z } from 'zod';

import { stepKeyOf } from '../../contracts/engine/ids';
import { application } from '../../contracts/engine/application';
import { undoBudgetShare, type TransactionInput } from '../../contracts/engine/transaction';

export const planSchema = z
  .object({
    gid: z.string(),
    flow: z.string(),
    locks: z.array(z.string()),
    steps: z.array(
      z.object({
        name: z.string(),
        kind: z.string(),
        key: z.string(),
        undo: z.string().nullable(),
      }),
    ),
    undoOrder: z.array(z.string()),
    pivot: z.string().nullable(),
    /** Until the decision, without a review; what follows the pivot or undoes is never given up. */
    worstCaseMs: z.number(),
  })
  .meta({ id: 'Plan' });

/** What a transaction would do, step by step. Static: no participant is asked. */
export function planOf(input: TransactionInput): z.infer<typeof planSchema> {
  const steps = application().stepsOfInput(input);
  return {
    gid: input.gid,
    flow: input.flow,
    locks: [...(application().flows[input.flow]?.locks ?? [])],
    steps: steps.map(({ name, kind, undo, confirms }) => ({
      name,
      kind,
      key: stepKeyOf(input.gid, confirms ?? name),
      undo,
    })),
    undoOrder: steps.flatMap(({ undo }) => undo ?? []).reverse(),
    pivot: steps.find(({ kind }) => kind === 'pivot')?.name ?? null,
    worstCaseMs: Math.floor(input.undoBudgetMs / undoBudgetShare) - input.undoBudgetMs,
  };
}
