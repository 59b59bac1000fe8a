/** Premises of Kafka: its version, and that no other installation publishes under its topic prefix. */
import type { Admin, Kafka } from 'kafkajs';

import { claimedByAnother, type Installation } from '../installation';
import type { PremiseSource } from '../premises';
import { ConfigResourceTypes, type KafkaSettings } from './client';
import { oldKafka } from './versions';

/** The registration, under the topic prefix: a topic without records. */
const registrationTopic = 'accord.installation';
/** Setting that stores the id, as a number. Kafka creates a topic and its configuration in one atomic step. */
const bearer = 'retention.ms';

export const registrationTopicOf = (topicPrefix: string): string =>
  `${topicPrefix}${registrationTopic}`;

/** Checks that the brokers are new enough, and that this installation owns the topics under this prefix. */
export const kafkaRegistration = (
  kafka: Kafka,
  { brokers, topicPrefix }: KafkaSettings,
  installation: Pick<Installation, 'id'>,
): PremiseSource => ({
  server: 'kafka',
  async ask() {
    const id = await installation.id();
    const tooOld = await oldKafka(brokers);
    if (tooOld.length > 0) return tooOld;
    const owner = await withAdmin(kafka, (admin) => claimTopics(admin, topicPrefix, id));
    return claimedByAnother(
      {
        ...{ product: 'Kafka', version: 'any' },
        ...{ what: `topics ${topicPrefix}*`, owner },
        instead: 'Set KAFKA_TOPIC_PREFIX to a prefix of its own.',
      },
      id,
    );
  },
});

export async function withAdmin<Result>(
  kafka: Kafka,
  work: (admin: Admin) => Promise<Result>,
): Promise<Result> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/**
 * Exactly one of several concurrent claims succeeds. @returns the id of the owner. @throws where Kafka does not answer.
 */
export async function claimTopics(admin: Admin, topicPrefix: string, id: string): Promise<string> {
  const topic = registrationTopicOf(topicPrefix);
  const isFresh = await admin.createTopics({
    waitForLeaders: false,
    topics: [
      {
        topic,
        numPartitions: 1,
        configEntries: [{ name: bearer, value: BigInt(`0x${id}`).toString() }],
      },
    ],
  });
  if (isFresh) return id;
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: [bearer] }],
  });
  const value = resources[0]?.configEntries.find(({ configName }) => configName === bearer);
  if (!value) throw new Error(`Kafka does not tell ${bearer} of ${topic}.`);
  return BigInt(value.configValue).toString(16).padStart(id.length, '0');
}
