/** What Accord takes for granted of a Temporal namespace: that nobody else's workflows run in it. */
import { ScheduleAlreadyRunning, type Client } from '@temporalio/client';

import { claimedByAnother, type Installation } from './installation';
import { PremisesBroken, type BrokenPremise, type PremiseSource } from './premises';

/** The registration: a schedule that is paused and never acts. Making one is atomic, and it stays until it is deleted. */
export const registrationId = 'accord-installation';
/** Nobody polls it. */
const noQueue = 'accord-installation';
const answerMs = 3_000;

/**
 * Registers the namespace for an installation, unless it is registered. Of several at once exactly one succeeds.
 *
 * @returns the id of its owner. @throws where Temporal does not answer.
 */
export async function claimNamespace({ schedule }: Client, id: string): Promise<string> {
  try {
    await schedule.create({
      scheduleId: registrationId,
      spec: {},
      action: {
        type: 'startWorkflow',
        workflowType: registrationId,
        workflowId: registrationId,
        taskQueue: noQueue,
      },
      memo: { installation: id },
      state: {
        paused: true,
        note: `Registers this namespace for the Accord installation ${id}. Leave it paused.`,
      },
    });
    return id;
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const { memo } = await schedule.getHandle(registrationId).describe();
    return String(memo?.['installation']);
  }
}

export interface OwnNamespace extends PremiseSource {
  /** Before anything is sent there. @throws where it is another's, or Temporal does not answer. */
  demand(): Promise<void>;
}

/** The namespace is this installation's. */
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
  return client.withDeadline(Date.now() + answerMs, async () => {
    const { serverVersion } = await client.workflowService.getSystemInfo({});
    return claimedByAnother(
      {
        ...{ product: 'Temporal', version: serverVersion || 'unknown' },
        what: `namespace ${client.options.namespace}`,
        owner: await claimNamespace(client, id),
        instead: 'Set TEMPORAL_NAMESPACE to a namespace of its own.',
      },
      id,
    );
  });
}
