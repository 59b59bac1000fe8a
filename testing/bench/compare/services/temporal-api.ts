import { Client } from '@temporalio/client';

import { connectTemporal } from '../../../stack/temporal-client';
import { endWith, serve, told } from '../service';

void (async () => {
  const connection = await connectTemporal(told('TEMPORAL'));
  const client = new Client({ connection, namespace: told('NAMESPACE') });
  const taskQueue = told('TASK_QUEUE');
  serve(Number(told('PORT')), (transfer) =>
    client.workflow.execute('transferSaga', {
      taskQueue,
      workflowId: transfer.id,
      args: [transfer],
    }),
  );
  endWith(() => connection.close());
})();
