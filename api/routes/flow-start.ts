import { ulid } from 'ulid';
import type { z } from 'zod';

import { application } from '../../contracts/engine/application';
import { businessIdOf, type BusinessId, type Flow, type Tenant } from '../../contracts/engine/ids';
import type { FlowDefinition } from '../../contracts/engine/flow-definition';
import type { TransactionInput } from '../../contracts/engine/transaction';
import type { FieldError } from '../http/errors';
import type { LineGuard } from '../http/guards';
import { deadlineFaults, refuse } from '../http/refusals';
import type { Api } from '../http/route-rules';
import { lifeMs } from '../http/schemas';
import type { Start, Starts } from '../transactions/starts';
import { bulkRoute } from './bulk-route';
import { noParams, startRoute, type EarlyAnswer, type StartRoute } from './start-route';

/** What a start knows of its caller. */
export interface StartContext {
  readonly tenant: Tenant;
  /** The person or program that asks. */
  readonly subject: string;
  /** The caller's name of the transaction, without its tenant. */
  readonly reference: string;
  /** A name that the caller gave, as the tenant's own: no caller can name what is another tenant's. */
  readonly own: (id: string) => BusinessId;
}

/** What the flow's input has beside what every input has. */
export type OwnInput<Input extends TransactionInput> = Omit<Input, keyof TransactionInput>;

interface FlowStartGiven<Input extends TransactionInput, Shape extends z.ZodRawShape> {
  /** Path of the route: `/v1/trips`. */
  readonly path: string;
  /** One line of the OpenAPI document. */
  readonly summary: string;
  /** The request's body. `deadlineMs`, the life of the transaction in milliseconds, comes to it. */
  readonly body: z.ZodObject<Shape>;
  /** The caller's name of the transaction, `T-1` of the gid `trip:acme.T-1`; `undefined`: a name is made. */
  readonly reference: (body: z.output<z.ZodObject<Shape>>) => string | undefined;
  /** The fields that fit the body and cannot mean anything. Left out: there are none. */
  readonly faults?: (
    body: z.output<z.ZodObject<Shape>>,
    context: StartContext,
  ) => readonly FieldError[];
  /** Called where no field is wrong. */
  readonly input: (body: z.output<z.ZodObject<Shape>>, context: StartContext) => OwnInput<Input>;
  /** Looks at what the input names, before anything is written; `undefined`: at nothing. */
  readonly screen?: (input: OwnInput<Input>) => Start['screen'];
  /** Only for a flow that reports an early status. */
  readonly early?: EarlyAnswer;
}

/** What start routes are built on. */
interface StartServices {
  readonly starts: Starts;
  readonly lines: LineGuard;
  /** Signs the digests of fields by which a request that comes again is known. */
  readonly secret: string;
}

/** The start route of one flow. */
export interface FlowStart {
  readonly flow: Flow;
  /** @throws a plain error where the application of this process has no such flow. */
  addTo(api: Api, services: StartServices): void;
}

/**
 * The route that starts a flow: `POST` of its body, with `Idempotency-Key`, `Prefer`, `dryRun` and `deadlineMs`, described
 * in OpenAPI. It answers 202, or 200 with the ending where the caller waits. A body that does not fit is 400, one that
 * cannot mean anything is 422; both name the fields. A flow that may go in batches has a second route, `…/bulk`, which
 * takes many of these bodies, one a line.
 */
export const flowStart = <Input extends TransactionInput, Shape extends z.ZodRawShape>(
  flow: Pick<FlowDefinition<Input>, 'name' | 'input'>,
  given: FlowStartGiven<NoInfer<Input>, Shape>,
): FlowStart => ({
  flow: flow.name,
  addTo(api, services) {
    application().workflowOf(flow.name);
    addFlowStart(api, services, flow.name, given);
  },
});

function addFlowStart<Input extends TransactionInput, Shape extends z.ZodRawShape>(
  api: Api,
  services: StartServices,
  flow: Flow,
  {
    path,
    summary,
    body,
    reference: referenceOf,
    faults,
    input,
    screen,
    early,
  }: FlowStartGiven<Input, Shape>,
): void {
  const route: StartRoute<z.ZodType, typeof noParams> = {
    url: path,
    summary,
    params: noParams,
    body: withLife(body),
    prepare(asked, { tenant, subject }) {
      const { deadlineMs, ...rest } = asked as { readonly deadlineMs: number };
      const named = rest as z.output<typeof body>; // `withLife` has added that one field alone.
      const reference = referenceOf(named) ?? ulid();
      const own = (id: string) => businessIdOf(tenant, id);
      const context = { tenant, subject, reference, own };
      refuse([...(faults?.(named, context) ?? []), ...deadlineFaults(deadlineMs)]);
      const ownInput = input(named, context);
      return {
        input: { ...ownInput, ...services.starts.inputOf(flow, tenant, reference, deadlineMs) },
        reference,
        screen: screen?.(ownInput),
      };
    },
    ...(early && { early }),
  };
  startRoute(api, services, route);
  if (application().flows[flow]?.lane === 'any') bulkRoute(api, services, route);
}

/** The body under its name and with its examples, as they were. */
const withLife = <Shape extends z.ZodRawShape>(body: z.ZodObject<Shape>): z.ZodType =>
  body.extend({ deadlineMs: lifeMs }).meta(body.meta() ?? {});
