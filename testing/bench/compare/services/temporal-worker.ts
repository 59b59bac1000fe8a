import { NativeConnection, Worker } from '@temporalio/worker';

import { openBank } from '../bank';
import { told } from '../service';

void (async () => {
  const bank = openBank(told('BANK_URL'));
  const worker = await Worker.create({
    connection: await NativeConnection.connect({ address: told('TEMPORAL') }),
    namespace: told('NAMESPACE'),
    taskQueue: told('TASK_QUEUE'),
    workflowsPath: require.resolve('./temporal-workflow'),
    activities: { debit: bank.debit, credit: bank.credit, undoDebit: bank.undoDebit },
  });
  await worker.run(); // Until SIGTERM.
  await bank.close();
  process.exit(0);
})();
