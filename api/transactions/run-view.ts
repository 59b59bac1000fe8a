import { application } from '../../contracts/engine/application';
import { z } from 'zod';

import { earlyStatuses, isEnding, runStates } from '../../contracts/engine/transaction';
import { codeOfFailure, engineReasons, parkReasons } from '../../contracts/engine/failures';
import { handStateOf, handStates, type KeptResolution } from '../../contracts/engine/resolutions';
import { currencyCode, flowName } from '../http/schemas';
import type { RunRow } from '../stores/runs/rows';

const time = z.iso.datetime();

export const atRiskSchema = z.union([
  z.object({
    kind: z.enum(['hold', 'captured']),
    currency: currencyCode,
    minorUnits: z.number(),
  }),
  z.object({ kind: z.literal('stock'), sku: z.string(), quantity: z.number() }),
]);

export const evidenceSchema = z.object({
  kind: z.string(),
  ref: z.string(),
  note: z.string().nullable(),
});
const consentSchema = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('approved'), by: z.string(), approval: z.string() }),
    z.object({ kind: z.literal('brokenGlass'), reason: z.string() }),
  ])
  .nullable();

/** A step that a person has answered for, and who has booked what it left. */
export const resolutionSchema = z
  .object({
    step: z.string(),
    branch: z.string(),
    decision: z.enum(['done', 'skip']),
    by: z.string(),
    consent: consentSchema,
    evidence: evidenceSchema,
    decidedAt: time,
    /** For `skip`: what is still held, until it is booked. For `done`: what the person says is no longer held. */
    amounts: z.array(atRiskSchema),
    booked: z
      .object({
        by: z.string(),
        consent: consentSchema,
        evidence: evidenceSchema,
        bookedAt: time,
        version: z.number(),
      })
      .nullable(),
  })
  .meta({ id: 'ResolvedByHand' });

/** The codes as text, not as an enum: a participant may declare a refusal that an older client does not know. */
const codesText = (types: readonly string[]): string =>
  types.map((type) => `\`${codeOfFailure(type)}\``).join(', ');

const reasonCode = z.string().meta({ id: 'ReasonCode' });

/** What a reason may be, for the OpenAPI document: the refusals are the application's. */
export const reasonCodeText = (): string =>
  `Of an ending, a refusal of a participant: ${codesText(application().refusals)}; or ` +
  `${codesText(engineReasons)}. Of a parked one: ${codesText(parkReasons)}.`;

/** A transaction as callers see it: what its row says. */
export const runViewSchema = z
  .object({
    gid: z.string(),
    flow: flowName,
    state: z.enum(runStates),
    step: z.string().nullable(),
    pivotPassed: z.boolean(),
    lane: z.enum(['single', 'batch']),
    region: z.string(),
    epoch: z.number(),
    version: z.number(),
    acceptedAt: time,
    deadlineAt: time,
    endedAt: time.nullable(),
    stuckSinceMs: z.number().nullable(),
    atRisk: z.array(atRiskSchema),
    /**
     * Steps of an ended run that a person resolved by hand: Accord has not done, or undone, all of them. `open`: the
     * amounts of skipped steps are at risk until they are booked. `null`: no step was resolved by hand.
     */
    resolvedByHand: z
      .object({ state: z.enum(handStates), steps: z.array(resolutionSchema) })
      .nullable(),
    reason: z.object({ code: reasonCode, step: z.string().nullable() }).nullable(),
    /** What was told before the ending; stays as it is. */
    early: z.enum(earlyStatuses).nullable(),
    links: z.object({ self: z.string(), explain: z.string() }),
  })
  .meta({ id: 'Transaction' });
export type RunView = z.infer<typeof runViewSchema>;

/** The answer of a transaction that has ended, as its workflow wrote it. */
export const endingSchema = z
  .looseObject({ gid: z.string(), outcome: z.enum(['completed', 'compensated']) })
  .meta({ id: 'Ending' });

/** Copied: a schema's arrays may be written to. */
export const resolutionViewOf = (resolution: KeptResolution): z.input<typeof resolutionSchema> => ({
  ...resolution,
  amounts: [...resolution.amounts],
});

export const linkOf = (gid: string): string => `/v1/transactions/${gid}`;

export const linksOf = (gid: string) => ({
  self: linkOf(gid),
  explain: `${linkOf(gid)}/explain`,
});

export function runViewOf(run: RunRow): RunView {
  return {
    gid: run.gid,
    flow: run.flow,
    state: run.state,
    step: run.step,
    pivotPassed: run.pivotPassed,
    lane: run.lane,
    region: run.region,
    epoch: run.epoch,
    version: run.version,
    acceptedAt: run.acceptedAt.toISOString(),
    deadlineAt: run.deadlineAt.toISOString(),
    endedAt: run.endedAt?.toISOString() ?? null,
    stuckSinceMs: isEnding(run.state) ? null : run.stuckSinceMs,
    atRisk: [...run.atRisk],
    resolvedByHand: run.resolvedByHand && {
      state: handStateOf(run.resolvedByHand),
      steps: run.resolvedByHand.map(resolutionViewOf),
    },
    reason: run.reason === null ? null : { code: run.reason, step: run.step },
    early: run.early,
    links: linksOf(run.gid),
  };
}
