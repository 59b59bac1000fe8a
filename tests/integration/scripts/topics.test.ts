import { afterAll, describe, expect, it } from '@jest/globals';

import { askTopics } from '../../../testing/verify/topics';
import { allTopics } from '../../../runtime/kafka/client';
import { ownKafka, type OwnKafka } from '../../support/kafka';

const partitions = 12;
const times = 5;

const opened: OwnKafka[] = [];
afterAll(() => Promise.all(opened.map((kafka) => kafka.drop())), 60_000);

describe('what is asked of the topics', () => {
  it('is answered for topics that are being made at this moment', async () => {
    for (let time = 0; time < times; time += 1) {
      const own = await ownKafka();
      opened.push(own);
      const admin = own.kafka.admin();
      await admin.connect();
      const making = admin.createTopics({
        topics: allTopics(own.settings).map((topic) => ({ topic, numPartitions: partitions })),
        waitForLeaders: false,
      });
      while ((await admin.listTopics()).every((name) => !allTopics(own.settings).includes(name)));
      expect(await askTopics(new Map(), own.settings)).toEqual({ rows: 0, violations: [] });
      await making;
      await admin.disconnect();
    }
  }, 60_000);
});
