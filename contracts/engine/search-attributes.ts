import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

/**
 * The one list of search attributes: bring-up and tests register it, `/readyz` checks it. A workflow that upserts one
 * that is not registered stalls for ever.
 */
export const searchAttributes = {
  flow: defineSearchAttributeKey('AccordFlow', SearchAttributeType.KEYWORD),
  tenant: defineSearchAttributeKey('AccordTenant', SearchAttributeType.KEYWORD),
  state: defineSearchAttributeKey('AccordState', SearchAttributeType.KEYWORD),
  step: defineSearchAttributeKey('AccordStep', SearchAttributeType.KEYWORD),
  reason: defineSearchAttributeKey('AccordReason', SearchAttributeType.KEYWORD),
} as const;

/** Name → type of every attribute, for their registration. */
export const searchAttributeTypes: Readonly<Record<string, 'KEYWORD'>> = Object.fromEntries(
  Object.values(searchAttributes).map((key) => [key.name, 'KEYWORD'] as const),
);
