/**
 * Version of a broker. kafkajs hides the negotiated versions, so this file sends the first request of a connection
 * itself.
 */
import { connect } from 'node:net';

import type { BrokenPremise } from '../premises';

/** Number of the request ApiVersions in the protocol of Kafka. */
const apiVersionsKey = 18;
/** Fetch reached version 16 with Kafka 3.7, the oldest that the stack takes. */
const fetchKey = 1;
const fetchWanted = 16;
const answerMs = 3_000;
const answerBytesMax = 64 * 1_024;

/** Checks the first broker that answers. @throws where none answers. */
export async function oldKafka(brokers: readonly string[]): Promise<readonly BrokenPremise[]> {
  const newest = await Promise.any(brokers.map(newestFetchOf));
  if (newest >= fetchWanted) return [];
  return [
    {
      ...{ product: 'Kafka', version: 'older than 3.7', isRequired: true, setting: 'version' },
      found: newest < 0 ? 'without Fetch' : `with Fetch up to version ${newest}`,
      wanted: `3.7 or later, with Fetch version ${fetchWanted}`,
      remedy: 'Upgrade the brokers, or set KAFKA_BROKERS to others.',
    },
  ];
}

/** @returns the newest version of Fetch; -1: the broker does not name it. */
async function newestFetchOf(broker: string): Promise<number> {
  const answer = await ask(broker);
  // Length, correlation id, error code, count of entries of three INT16: key, oldest, newest.
  const entries = answer.readInt32BE(10);
  for (let at = 14; at < 14 + entries * 6; at += 6)
    if (answer.readInt16BE(at) === fetchKey) return answer.readInt16BE(at + 4);
  return -1;
}

function ask(broker: string): Promise<Buffer> {
  const at = broker.lastIndexOf(':');
  const host = broker.slice(0, at).replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(broker.slice(at + 1)) });
    let received = Buffer.alloc(0);
    const fail = (why: Error): void => {
      socket.destroy();
      reject(why);
    };
    socket.setTimeout(answerMs, () => fail(new Error(`${broker} does not answer.`)));
    socket.on('error', fail);
    socket.on('close', () => reject(new Error(`${broker} closed the connection.`)));
    socket.on('connect', () => socket.write(request()));
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      if (received.length > answerBytesMax) fail(new Error(`${broker} is no Kafka.`));
      if (received.length < 14 || received.length < 4 + received.readInt32BE(0)) return;
      resolve(received);
      socket.destroy();
    });
  });
}

/** ApiVersions in its version 0, which every broker knows, with no client id. */
function request(): Buffer {
  const bytes = Buffer.alloc(14);
  bytes.writeInt32BE(10, 0);
  bytes.writeInt16BE(apiVersionsKey, 4);
  bytes.writeInt16BE(0, 6);
  bytes.writeInt32BE(1, 8);
  bytes.writeInt16BE(-1, 12);
  return bytes;
}
