/** Premise of a Temporal namespace: no other installation runs workflows in it. */
import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type Client,
  type ScheduleOptions,
  type ScheduleUpdateOptions,
} from '@temporalio/client';

import { claimedByAnother, type Installation } from './installation';
import { PremisesBroken, type BrokenPremise, type PremiseSource } from './premises';
import { callWithin } from './temporal-call';
import { farFrom, type ServerClock } from './server-clock';

/**
 * The registration: a paused schedule that never acts. Its creation is atomic, and it stays until it is deleted.
 */
export const registrationId = 'accord-installation';
/** A task queue without workers. */
const noQueue = 'accord-installation';
const answerMs = 3_000;
/** The server of the oldest program that the stack takes. */
const oldest = { version: '1.28', major: 1, release: 28 } as const;

const registrationOf = (
  id: string,
): ScheduleUpdateOptions & Pick<ScheduleOptions, 'action' | 'state'> => ({
  spec: {},
  action: {
    type: 'startWorkflow',
    workflowType: registrationId,
    workflowId: registrationId,
    taskQueue: noQueue,
  },
  state: {
    paused: true,
    note: `Registers this namespace for the Accord installation ${id}. Leave it paused.`,
  },
});

/**
 * Registers the namespace for an installation, unless it is registered. Exactly one of several concurrent calls
 * succeeds.
 *
 * @returns the id of its owner. @throws where Temporal does not answer.
 */
export async function claimNamespace({ schedule }: Client, id: string): Promise<string> {
  try {
    await schedule.create({
      scheduleId: registrationId,
      ...registrationOf(id),
      memo: { installation: id },
    });
    return id;
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const { memo } = await schedule.getHandle(registrationId).describe();
    return String(memo?.['installation']);
  }
}

/** Registers nothing. @throws PremisesBroken where the namespace is registered for another installation. */
export async function demandOwnNamespace(client: Client, id: string): Promise<void> {
  const owner = await client.schedule
    .getHandle(registrationId)
    .describe()
    .then(
      ({ memo }) => String(memo?.['installation']),
      (error: unknown) => {
        if (error instanceof ScheduleNotFoundError) return id;
        throw error;
      },
    );
  const broken = claimedByAnother({ ...named(client, 'any'), owner }, id);
  if (broken.length > 0) throw new PremisesBroken(broken);
}

const named = ({ options }: Client, version: string) => ({
  ...{ product: 'Temporal', version, what: `namespace ${options.namespace}` },
  instead: 'Set TEMPORAL_NAMESPACE to a namespace of its own.',
});

export interface OwnNamespace extends PremiseSource {
  /** Call it before any other call. @throws if another installation owns it, or Temporal does not answer. */
  demand(): Promise<void>;
}

/** Checks that this installation owns the namespace. */
export function temporalPremises(
  client: Client,
  installation: Pick<Installation, 'id'>,
): OwnNamespace {
  let isOwn = false;
  const ask = async (): Promise<readonly BrokenPremise[]> => {
    const broken = await look(client, installation);
    isOwn = broken.length === 0;
    return broken;
  };
  return {
    server: 'temporal',
    ask,
    async demand() {
      const broken = isOwn ? [] : await ask();
      if (broken.length > 0) throw new PremisesBroken(broken);
    },
  };
}

async function look(
  client: Client,
  installation: Pick<Installation, 'id'>,
): Promise<readonly BrokenPremise[]> {
  const id = await installation.id();
  return callWithin(client, answerMs, async () => {
    const { serverVersion } = await client.workflowService.getSystemInfo({});
    const version = serverVersion || 'unknown';
    const tooOld = oldServer(version);
    if (tooOld.length > 0) return tooOld;
    const owner = await claimNamespace(client, id);
    return claimedByAnother({ ...named(client, version), owner }, id);
  });
}

/** Checks the version. A version that is no number belongs to a service, and is accepted. */
export function oldServer(version: string): readonly BrokenPremise[] {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return [];
  const isOld =
    Number(major) < oldest.major ||
    (Number(major) === oldest.major && Number(minor) < oldest.release);
  if (!isOld) return [];
  return [
    {
      ...{ product: 'Temporal', version, isRequired: true, setting: 'version', found: version },
      wanted: `${oldest.version} or later`,
      remedy: 'Upgrade the server, or set TEMPORAL_ADDRESS to another.',
    },
  ];
}

/** Interval of the measurements. Each updates the registration: its time is the only server time for clients. */
const measuredEveryMs = 600_000;

/**
 * Compares Temporal's clock, which decides on deadlines, with MySQL's clock, which sets them.
 *
 * @param clock MySQL's. @param boundMs how far they may be from each other.
 */
export function temporalClock(
  client: Client,
  installation: Pick<Installation, 'id'>,
  clock: ServerClock,
  boundMs: number,
): PremiseSource {
  let last: { readonly at: number; readonly broken: readonly BrokenPremise[] } | undefined;

  async function measure(): Promise<readonly BrokenPremise[]> {
    const id = await installation.id();
    if ((await claimNamespace(client, id)) !== id) return []; // The namespace of another installation is not changed.
    await clock.premises.ask();
    const handle = client.schedule.getHandle(registrationId);
    const began = clock.now();
    await handle.update(() => registrationOf(id));
    const { lastUpdatedAt } = (await handle.describe()).info;
    const ended = clock.now();
    if (!lastUpdatedAt) throw new Error('Temporal does not tell when it updated a schedule.');
    const at = lastUpdatedAt.getTime();
    const differsMs = at < began ? at - began : Math.max(0, at - ended);
    return farFrom('Temporal', 'the clock of MySQL', differsMs, boundMs);
  }

  return {
    server: 'temporal clock',
    async ask() {
      if (!last || clock.now() - last.at > measuredEveryMs) {
        const broken = await callWithin(client, answerMs, measure);
        last = { at: clock.now(), broken };
      }
      return last.broken;
    },
  };
}
