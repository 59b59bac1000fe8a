/** A build as the next release would be: the same promise, another command in the histories, behind `patched()`. */
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

import type { Build } from '../environment/application';
import { checkout } from '../stack/config';
import { writeBundleWith } from './bundle-with';

/** @returns the build of the next release. A worker of this release cannot continue its runs. */
export async function nextBuild(): Promise<Build> {
  const folder = join(checkout, '.accord', 'builds', 'next');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  cpSync(join(checkout, 'dist'), folder, { recursive: true });
  await writeBundleWith(join(folder, 'workflow-bundle.js'), {
    target: 'workflows/flows/order',
    twin: 'testing/chaos/next-order-saga',
  });
  return { folder, nodeArguments: [] };
}
