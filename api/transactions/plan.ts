import { z } from 'zod';

import type { CheckoutInput } from '../../contracts/flows/checkout';
import { flowDefinitions, stepsOfInput } from '../../contracts/flows';
import { stepKeyOf } from '../../contracts/engine/ids';
import type { OrderSagaInput } from '../../contracts/flows/order';
import type { PaymentInput, RefundInput } from '../../contracts/participants/payments';
import type { SettlementInput } from '../../contracts/participants/settlements';
import { undoBudgetShare } from '../../contracts/engine/transaction';
import type { TransferInput } from '../../contracts/flows/transfer';

/** The input of a flow that callers may start. */
export type FlowInput =
  OrderSagaInput | CheckoutInput | TransferInput | PaymentInput | RefundInput | SettlementInput;

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
export function planOf(input: FlowInput): z.infer<typeof planSchema> {
  const steps = stepsOfInput(input);
  return {
    gid: input.gid,
    flow: input.flow,
    locks: [...flowDefinitions[input.flow].locks],
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
