import { describe, expect, it } from '@jest/globals';

import type { Role } from '../../../../testing/environment/application';
import { createSupervision, type DeadServer } from '../../../../testing/environment/supervision';

/** A machine whose looks follow each other as fast as the test likes, forty seconds apart by its clock. */
function aMachine() {
  const said: string[] = [];
  const tried: string[] = [];
  const running = new Set(['api', 'worker-1']);
  const machine = {
    now: 0,
    dead: [] as readonly DeadServer[],
    failure: undefined as string | undefined,
  };
  const supervision = createSupervision({
    processes: new Map<string, Role>([
      ['api', 'api'],
      ['worker-1', 'worker'],
    ]),
    application: {
      process: (name) => (running.has(name) ? {} : undefined),
      start(_, name = '') {
        tried.push(name);
        if (machine.failure !== undefined) return Promise.reject(new Error(machine.failure));
        running.add(name);
        return Promise.resolve(true);
      },
    },
    deadServers: () => machine.dead,
    restartCommand: (name) => `npm run stack -- restart ${name}`,
    say: (line) => said.push(line),
    now: () => machine.now,
    isStopping: () => false,
  });
  const look = async (times: number): Promise<void> => {
    for (let time = 0; time < times; time += 1) {
      await supervision.look();
      machine.now += 40_000;
    }
  };
  return { machine, said, tried, running, look };
}

const mysql = { name: 'mysql', title: 'MySQL' };
const redis = { name: 'redis', title: 'Redis' };

describe('npm start, while it runs', () => {
  it('says once that a server has ended, with the command that brings it back, and once that it runs again', async () => {
    const { machine, said, look } = aMachine();
    machine.dead = [mysql];
    await look(100);
    machine.dead = [mysql, redis];
    await look(100);
    machine.dead = [];
    await look(100);
    expect(said).toEqual([
      'MySQL has ended: npm run stack -- restart mysql',
      'Redis has ended: npm run stack -- restart redis',
      'MySQL runs again.',
      'Redis runs again.',
    ]);
    machine.dead = [mysql];
    await look(2);
    expect(said.slice(4)).toEqual(['MySQL has ended: npm run stack -- restart mysql']);
  });

  it('starts nothing while a server is gone: it would not become ready', async () => {
    const { machine, tried, running, look } = aMachine();
    machine.dead = [mysql];
    running.clear();
    await look(3);
    expect(tried).toEqual([]);
    machine.dead = [];
    await look(1);
    expect(tried).toEqual(['api', 'worker-1']);
  });

  it('says once that a process does not come back, tries it less and less often, and says that it runs again', async () => {
    const { machine, said, tried, running, look } = aMachine();
    running.delete('worker-1');
    machine.failure = 'worker-1 ended at its start.';
    await look(100);
    expect(tried.length).toBeGreaterThan(10);
    expect(tried.length).toBeLessThan(100);
    machine.failure = undefined;
    await look(3);
    expect(said).toEqual([
      'worker-1 has ended; starting it again.',
      'worker-1 ended at its start.\nworker-1 is started again until it runs.',
      'worker-1 runs again.',
    ]);
  });
});
