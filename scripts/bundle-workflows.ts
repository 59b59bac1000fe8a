import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { bundleWorkflowCode } from '@temporalio/worker';

const root = join(__dirname, '..');

/** Bundles the workflow code that workers, tests and replay load, once; a bundle at each start would cost seconds. */
export async function bundleWorkflows(workflowsPath: string, codePath: string): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(root, workflowsPath),
    logger: { ...console, trace: ignore, debug: ignore, info: ignore, log: ignore },
  });
  const path = join(root, codePath);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(`${path}.${process.pid}`, code);
  renameSync(`${path}.${process.pid}`, path); // A worker that starts meanwhile never reads half of it.
  return path;
}

function ignore(): void {
  // The bundler tells of every module; only its warnings matter.
}

if (require.main === module) {
  bundleWorkflows('workflows/index.ts', 'dist/workflow-bundle.js')
    .then((path) => console.log(`Workflow bundle: ${path.slice(root.length + 1)}`))
    .catch((error: unknown) => {
      console.error(error);
      process.exitCode = 1;
    });
}
