import { z } from 'zod';

import type { Now } from '../../runtime/server-clock';
import type { ActionOf } from '../approvals/actions';
import { approvalLinkOf, approvalSchema, approvalViewOf } from '../approvals/view';
import type { Approved } from '../approvals/approvals';
import { keyIdOf, newKey, type Authentication } from '../http/authentication';
import type { Config } from '../config';
import { Problem, type FieldError } from '../http/errors';
import { fault, refuse } from '../http/refusals';
import { isSameSubject, peopleBehind, subjectFaults } from '../http/people';
import { realms, type Realm } from '../http/realms';
import { keyOf, principalOf, type Api } from '../http/route-rules';
import { idParams, subject } from '../http/schemas';
import { expandScopes, isScope, isScopeOf, scopes, type Scope } from '../http/scopes';
import { askerOf, breakGlassField, type SecondPerson } from '../approvals/second-person';
import type { ApprovalsStore } from '../stores/approvals-store';
import type { ApiKey, KeysStore } from '../stores/keys-store';
import { ruleOfKey } from '../approvals/two-persons';

const time = z.iso.datetime();
const keySchema = z
  .object({
    id: z.string(),
    realm: z.enum(realms),
    owner: z.string(),
    /** The subject that made it; `null`: the maker is unknown, so the key is no second person. */
    madeBy: z.string().nullable(),
    scopes: z.array(z.string()),
    createdAt: time,
    expiresAt: time.nullable(),
    revokedAt: time.nullable(),
    lastUsedAt: time.nullable(),
  })
  .meta({ id: 'ApiKey' });

/** `null`: the call came before, and its first answer had it. */
const newCredential = z.string().nullable();

const newKeyBody = z
  .strictObject({
    owner: subject,
    scopes: z
      .array(z.enum([...scopes, 'ops']))
      .min(1)
      .max(scopes.length + 1),
    expiresAt: time.optional(),
    breakGlass: breakGlassField,
  })
  .meta({ id: 'NewApiKey' });

interface ApiKeyRoutes {
  readonly config: Pick<Config, 'secret'>;
  readonly keys: KeysStore;
  readonly approvals: Pick<ApprovalsStore, 'findKeyAsked'>;
  readonly authentication: Authentication;
  readonly secondPerson: SecondPerson;
  readonly now: Now;
}

/** Keys of the caller's own tenant, or cluster. */
export function apiKeyRoutes(
  api: Api,
  { config, keys, approvals, authentication, secondPerson, now }: ApiKeyRoutes,
): void {
  api.post('/v1/api-keys', {
    config: { rules: { kind: 'steer', scope: 'admin:keys', realm: 'any', keeps: false } },
    schema: {
      summary:
        'Makes a key; its secret is in this answer and never again. Of another owner, or with a power, it wants two persons',
      body: newKeyBody,
      response: {
        201: keySchema.extend({ credential: newCredential }).meta({ id: 'NewCredential' }),
        202: z
          .object({ approval: approvalSchema, credential: newCredential })
          .meta({ id: 'CredentialToApprove' }),
      },
    },
    handler: async (request, reply) => {
      const { realm } = principalOf(request);
      refuse(realmFaults(request.body.scopes, realm));
      const granted = expandScopes(request.body.scopes, realm);
      // A key that can make keys could otherwise give itself whatever it lacks.
      if (!granted.every((scope) => principalOf(request).scopes.has(scope))) {
        throw new Problem('scope_missing', {
          detail: 'A key gives only scopes that it has itself.',
        });
      }
      const { owner, expiresAt, breakGlass } = request.body;
      refuse(subjectFaults('/owner', owner));
      const asker = askerOf(request, breakGlass);
      const keyId = keyIdOf({ ...asker, realm }, keyOf(request), config.secret);
      const { key, credential } = newKey({
        keyId,
        realm,
        tenant: asker.tenant,
        owner,
        scopes: granted,
        createdAt: new Date(now()),
        expiresAt: expiresAt === undefined ? null : new Date(expiresAt),
        maker: asker,
      });
      const replayed = (made: ApiKey) => {
        if (!isSameGrant(made, key)) throw new Problem('idempotency_key_reused');
        reply.header('idempotent-replayed', 'true');
        return reply.code(201).send({ ...viewOf(made), credential: null });
      };
      const earlier = await keys.find(keyId);
      if (earlier) return replayed(earlier);
      const asked = (await approvals.findKeyAsked(asker.tenant, keyId))?.action;
      if (asked?.kind === 'createKey' && !isSameGrant(grantOf(asked), key))
        throw new Problem('idempotency_key_reused');
      const rule = ruleOfKey(granted, !isSameSubject(owner, asker.subject));
      const answer = rule && (await secondPerson.of(asker)(actionOf(key, granted), rule));
      if (answer?.kind === 'waits') {
        const { id, action } = answer.approval;
        const isFirst =
          action.kind === 'createKey' && action.secretSha256 === key.secretSha256.toString('hex');
        if (!isFirst) reply.header('idempotent-replayed', 'true');
        // The secret is shown now or never; it opens nothing until another person has approved.
        return reply
          .code(202)
          .header('location', approvalLinkOf(id))
          .send({
            approval: approvalViewOf(answer.approval),
            credential: isFirst ? credential : null,
          });
      }
      await keys.addOnce(key);
      const winner = await keys.find(keyId);
      if (winner && !winner.secretSha256.equals(key.secretSha256)) return replayed(winner);
      const made = viewOf({ ...key, revokedAt: null, lastUsedAt: null });
      return reply.code(201).send({ ...made, credential });
    },
  });

  api.get('/v1/api-keys', {
    config: { rules: { kind: 'list', scope: 'admin:keys', realm: 'any' } },
    schema: {
      summary: 'Keys of the tenant, or of the cluster',
      response: { 200: z.object({ items: z.array(keySchema) }) },
    },
    handler: async (request) => {
      const own = await keys.list(principalOf(request));
      return { items: own.map(viewOf) };
    },
  });

  api.delete('/v1/api-keys/:id', {
    config: { rules: { kind: 'steer', scope: 'admin:keys', realm: 'any' } },
    schema: {
      summary: 'Revokes a key; other processes take it for five more seconds at most',
      params: idParams,
      response: { 204: z.null() },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      if (!(await keys.revoke(principalOf(request), id))) throw new Problem('not_found');
      authentication.forget(id);
      return reply.code(204).send(null);
    },
  });
}

/**
 * A key that a second person has approved. Safe to repeat.
 * @throws Problem `state_changed`: another key was made for the same call, so the secret that was told opens nothing.
 */
export const createApprovedKey =
  (keys: Pick<KeysStore, 'addOnce' | 'find'>, now: Now) =>
  async ({
    tenant,
    askedBy,
    askedPeople,
    action,
  }: Approved<ActionOf<'createKey'>>): Promise<void> => {
    const secretSha256 = Buffer.from(action.secretSha256, 'hex');
    await keys.addOnce({
      keyId: action.keyId,
      realm: action.realm,
      tenant,
      madeBy: askedBy,
      people: peopleBehind(action.owner, askedPeople),
      secretSha256,
      createdAt: new Date(now()),
      ...grantOf(action),
    });
    const standing = await keys.find(action.keyId);
    if (standing?.secretSha256.equals(secretSha256) === true) return;
    throw new Problem('state_changed', {
      detail: 'Another key has been made with the same Idempotency-Key: ask again with a new one.',
    });
  };

const grantOf = ({ owner, scopes: granted, expiresAt }: ActionOf<'createKey'>) => ({
  owner,
  scopes: granted,
  expiresAt: expiresAt === null ? null : new Date(expiresAt),
});

/** What no credential of the realm has is no scope to give. */
const realmFaults = (names: readonly (Scope | 'ops')[], realm: Realm): readonly FieldError[] =>
  names.flatMap((name, at) =>
    name === 'ops' || isScopeOf(realm)(name)
      ? []
      : [fault(`/scopes/${at}`, 'scope_of_other_realm', `is of no key of a ${realm}`)],
  );

const actionOf = (
  { keyId, realm, owner, secretSha256, expiresAt }: ReturnType<typeof newKey>['key'],
  granted: readonly Scope[],
): ActionOf<'createKey'> => ({
  kind: 'createKey',
  keyId,
  realm,
  owner,
  scopes: [...granted],
  expiresAt: expiresAt?.toISOString() ?? null,
  secretSha256: secretSha256.toString('hex'),
});

type KeyGrant = Pick<ApiKey, 'owner' | 'scopes' | 'expiresAt'>;
const isSameGrant = (one: KeyGrant, other: KeyGrant): boolean =>
  one.owner === other.owner &&
  one.scopes.join() === other.scopes.join() &&
  one.expiresAt?.getTime() === other.expiresAt?.getTime();

const viewOf = (key: ApiKey): z.infer<typeof keySchema> => ({
  id: key.keyId,
  realm: key.realm,
  owner: key.owner,
  madeBy: key.madeBy,
  scopes: key.scopes.filter(isScope),
  createdAt: key.createdAt.toISOString(),
  expiresAt: key.expiresAt?.toISOString() ?? null,
  revokedAt: key.revokedAt?.toISOString() ?? null,
  lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
});
