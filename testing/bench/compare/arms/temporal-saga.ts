import { createHttpClient } from '../../http-client';
import { freePort } from '../../../../runtime/ports';
import { openNamespace } from '../../../environment/isolated-environment';
import packageJson from '../../../../package.json';
import type { Arm } from '../arm';
import { createBooks } from '../bank';
import { answersAt, playOver, serviceProgram, start, transferOf } from '../program';

const [api, worker] = ['peer-temporal-api', 'peer-temporal-worker'];
const taskQueue = 'transfers';

/** A saga as Temporal's documentation has it, on the same Temporal server as Accord, in a namespace of its own. */
export const temporalSaga: Arm = {
  name: 'temporal-saga',
  title: 'the saga pattern of Temporal: a workflow, two activities, a list of compensations',
  inFlight: 8, // CPU a transfer grows with the number: 48 ms at 4 and 8, 52 at 32, 60 at 128.
  async open({ stack, run, atEnd }) {
    const books = await createBooks(stack.mysql.adminUrl, `bench_temporal_saga_${run}`, atEnd);
    const namespace = await openNamespace(stack.temporal.address, `bench-saga-${run}`);
    atEnd(() => namespace.drop());
    const http = createHttpClient();
    atEnd(() => http.close());
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/transfer`;
    const env = {
      ...{ BANK_URL: books.url, PORT: String(port), TEMPORAL: stack.temporal.address },
      ...{ NAMESPACE: namespace.name, TASK_QUEUE: taskQueue },
    };
    const isPolling = async (): Promise<boolean> => {
      const { pollers } = await namespace.connection.workflowService.describeTaskQueue({
        namespace: namespace.name,
        taskQueue: { name: taskQueue },
      });
      return pollers.length > 0;
    };
    await start(stack, serviceProgram('temporal-worker', worker, env, isPolling), atEnd);
    await start(stack, serviceProgram('temporal-api', api, env, answersAt(http, url)), atEnd);
    return {
      version: `Temporal SDK ${packageJson.dependencies['@temporalio/worker']}`,
      processes: [api, worker, 'temporal', 'mysql'],
      play: (at) => playOver(http, url, transferOf(run, at)),
      check: (played) => books.check(played),
    };
  },
};
