import { join } from 'node:path';

import { exchange } from '../../../activities/regions/json-line';
import { checkout } from '../config';
import type { Region } from '../profile';
import { portOf, type Server } from './server';

const program = join(checkout, 'testing', 'drills', 'agent-process.ts');
const answerMs = 5_000;

/** Kills and starts the servers of one region when it is told to: in each region there is one. */
const agentOf = (region: Region): Server => ({
  name: `agent-${region}`,
  title: `Agent of region ${region}`,
  portNames: [`agent-${region}`],
  readyWithinMs: 30_000,
  program: 'Node.js, which runs this',
  isInCompose: false,
  given: () => undefined,
  addressOf: (context) => `127.0.0.1:${portOf(context, `agent-${region}`)}`,
  findOnPath: () =>
    Promise.resolve({
      file: process.execPath,
      args: ['--import', 'tsx', program],
      version: `Node.js ${process.versions.node}`,
    }),
  fetch: () => Promise.reject(new Error('it is part of this checkout')),
  prepare: () => Promise.resolve(),
  launch: (context) => ({
    args: ['--region', region, '--control', String(portOf(context, `agent-${region}`))],
  }),
  check: async (address) => {
    await exchange(address, {}, answerMs); // That it refuses to do nothing is an answer.
  },
});
export const agents = [agentOf('a'), agentOf('b')];
