/** A workflow of DBOS with two steps: its documentation undoes in a `catch` of the workflow. */
import type { Transfer } from '../arm';
import { InsufficientFunds, openBank } from '../bank';
import { peerPackage } from '../packages';
import { endWith, serve, told } from '../service';

type Workflow = (transfer: Transfer) => Promise<void>;

/** What is used of `@dbos-inc/dbos-sdk`. */
interface DbosSdk {
  readonly DBOS: {
    setConfig(config: object): void;
    registerWorkflow(workflow: Workflow, config: { readonly name: string }): Workflow;
    runStep(step: () => Promise<void>, config: object): Promise<void>;
    startWorkflow(
      workflow: Workflow,
      config: { readonly workflowID: string },
    ): (transfer: Transfer) => Promise<{ getResult(): Promise<void> }>;
    launch(): Promise<void>;
    shutdown(): Promise<void>;
  };
}

const { DBOS } = peerPackage(told('PACKAGES'), '@dbos-inc/dbos-sdk') as DbosSdk;
const bank = openBank(told('BANK_URL'));

/** Steps are not tried again by default; what may pass is. */
const retried = {
  retriesAllowed: true,
  maxAttempts: 10,
  shouldRetry: (error: unknown) => !(error instanceof InsufficientFunds),
};

const transferSaga = DBOS.registerWorkflow(
  async (transfer) => {
    try {
      await DBOS.runStep(() => bank.debit(transfer), { name: 'debit', ...retried });
      await DBOS.runStep(() => bank.credit(transfer), { name: 'credit', ...retried });
    } catch (error) {
      await DBOS.runStep(() => bank.undoDebit(transfer), { name: 'undoDebit', ...retried });
      throw error;
    }
  },
  { name: 'transferSaga' },
);

void (async () => {
  DBOS.setConfig({
    name: 'bench',
    applicationVersion: '1',
    systemDatabaseUrl: told('POSTGRES_URL'),
    systemDatabasePoolSize: Number(told('POOL')),
    logLevel: 'warn',
  });
  await DBOS.launch();
  serve(Number(told('PORT')), async (transfer) => {
    const handle = await DBOS.startWorkflow(transferSaga, { workflowID: transfer.id })(transfer);
    await handle.getResult();
  });
  endWith(async () => {
    await DBOS.shutdown();
    await bank.close();
  });
})();
