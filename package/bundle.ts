/** The workflow code of a project as one file: what a replay loads. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

import { bundleWorkflowCode } from '@temporalio/worker';

import { writeWhole } from '../runtime/whole-file';

/** @returns `target`. @throws where the bundler refuses a module, such as one that imports Node. */
export async function bundleTo(workflowsPath: string, target: string): Promise<string> {
  const quiet = (): void => undefined; // The bundler tells of every module; only its warnings matter.
  const logger = { ...console, trace: quiet, debug: quiet, info: quiet, log: quiet };
  const { code } = await bundleWorkflowCode({ workflowsPath, logger });
  mkdirSync(dirname(target), { recursive: true });
  writeWhole(target, code);
  return target;
}
