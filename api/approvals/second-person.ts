import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import { z } from 'zod';

import type { Consent } from '../../contracts/engine/transaction';
import type { Now } from '../../runtime/server-clock';
import { shownAction, subjectOf, type ApprovalAction } from './actions';
import type { Ask, Person } from './approvals';
import { Problem } from '../http/errors';
import type { Metrics } from '../http/metrics';
import { principalOf } from '../http/route-rules';
import { text } from '../http/schemas';
import type { ApprovalRow } from '../stores/approvals-store';
import type { AuditStore } from '../stores/audit-store';
import type { TwoPersonRule } from './two-persons';

/** What becomes of a call that wants two persons: it waits for the second one, or goes on without. */
export type Granted =
  | { readonly kind: 'waits'; readonly approval: ApprovalRow }
  | { readonly kind: 'goesOn'; readonly consent: Consent };

/** Asks for the second person of an action. */
export type WantSecondPerson = (action: ApprovalAction, rule: TwoPersonRule) => Promise<Granted>;

/** Field of a body: with it the caller acts alone where two persons are needed. */
export const breakGlassField = z.strictObject({ reason: text(500) }).optional();

/** The person who asks; with a reason, the person breaks the glass instead. */
export interface Asker extends Omit<Person, 'scopes'> {
  readonly breakGlass: string | undefined;
}

/** @throws Problem `scope_missing`: a reason is given, and the credential may not act alone. */
export function askerOf(
  request: FastifyRequest,
  breakGlass: z.output<typeof breakGlassField>,
): Asker {
  const { tenant, subject, people, keyId, scopes } = principalOf(request);
  if (breakGlass && !scopes.has('ops:breakglass')) {
    throw new Problem('scope_missing', { detail: 'The scope ops:breakglass is needed.' });
  }
  return { tenant, subject, people, keyId, breakGlass: breakGlass?.reason };
}

interface Parts {
  readonly ask: Ask;
  readonly audit: Pick<AuditStore, 'add'>;
  readonly metrics: Pick<Metrics, 'brokenGlass'>;
  readonly logger: Pick<FastifyBaseLogger, 'error'>;
  readonly now: Now;
}

/** What stands before every action that wants two persons. */
export function createSecondPerson({ ask, audit, metrics, logger, now }: Parts) {
  /** Everybody shall know, and nothing happens before it is written down. */
  async function breakGlass(
    { tenant, subject, people }: Omit<Person, 'scopes'>,
    reason: string,
    action: ApprovalAction,
    rule: TwoPersonRule,
  ): Promise<void> {
    const { kind } = action;
    const gid = subjectOf(action)?.gid ?? null;
    await audit.add({
      at: new Date(now()),
      tenant,
      actor: subject,
      operation: `broke the glass for ${kind}`,
      gid,
      request: { rule, reason, people, action: shownAction(action) },
      outcome: 'acting',
    });
    metrics.brokenGlass.inc({ kind });
    logger.error({ tenant, subject, kind, gid, rule, reason }, 'Somebody has broken the glass.');
  }

  return {
    /** For one call of one asker. */
    of:
      ({ breakGlass: reason, ...person }: Asker): WantSecondPerson =>
      async (action, rule) => {
        if (reason === undefined)
          return { kind: 'waits', approval: await ask(person, action, rule) };
        await breakGlass(person, reason, action, rule);
        return { kind: 'goesOn', consent: { kind: 'brokenGlass', reason } };
      },
  };
}
export type SecondPerson = ReturnType<typeof createSecondPerson>;
