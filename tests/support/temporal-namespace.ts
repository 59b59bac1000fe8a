import { Connection } from '@temporalio/client';

import { searchAttributeTypes } from '../../contracts/search-attributes';
import { eventually } from './eventually';

/** IndexedValueType KEYWORD of the service's protocol. */
const keyword = 2;
const retentionSeconds = 24 * 3_600;

/** A namespace of one test file alone: its runs meet no worker of another one. */
export interface OwnNamespace {
  readonly name: string;
  readonly connection: Connection;
  /** Deletes it, and closes the connection. */
  drop(): Promise<void>;
}

export async function ownNamespace(address: string, name: string): Promise<OwnNamespace> {
  const connection = await Connection.connect({ address });
  await connection.workflowService.registerNamespace({
    namespace: name,
    workflowExecutionRetentionPeriod: { seconds: retentionSeconds as never }, // The wire type is a Long; a number encodes as one.
  });
  await eventually(() => isUsable(connection, name), { what: `the namespace ${name}` });
  return {
    name,
    connection,
    async drop() {
      await connection.operatorService.deleteNamespace({ namespace: name });
      await connection.close();
    },
  };
}

/** The servers learn of a new namespace, and of its search attributes, one after the other. */
async function isUsable(connection: Connection, namespace: string): Promise<boolean> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.keys(searchAttributeTypes).filter((name) => !(name in customAttributes));
  if (missing.length === 0) {
    await connection.workflowService.countWorkflowExecutions({ namespace });
    return true;
  }
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map((name) => [name, keyword])),
  });
  return false;
}
