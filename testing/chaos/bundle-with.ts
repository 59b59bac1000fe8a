import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

import { checkout } from '../stack/config';

/** The twin of a module of the workflows; paths from the checkout, without their ending. */
export interface Substitute {
  readonly target: string;
  readonly twin: string;
}

/**
 * Bundles the workflows as production does, with the twin wherever the target is imported but in the twin itself.
 *
 * @param workflowsPath from the checkout; left out: the shipped ones.
 * @throws where no module imports the target: the planted bug would not be in the bundle, and no check could find it.
 */
export async function writeBundleWith(
  path: string,
  { target, twin }: Substitute,
  workflowsPath = 'workflows/index.ts',
): Promise<void> {
  const isNamedAlike = new RegExp(`/${basename(target)}$`);
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(checkout, workflowsPath),
    logger: new DefaultLogger('WARN'),
    webpackConfigHook: (config) => ({
      ...config,
      plugins: [
        ...(config.plugins ?? []),
        (compiler) => {
          new compiler.webpack.NormalModuleReplacementPlugin(isNamedAlike, (asked) => {
            const isTarget = join(asked.context, asked.request) === join(checkout, target);
            const isAskedByTwin = asked.contextInfo.issuer === join(checkout, `${twin}.ts`);
            if (isTarget && !isAskedByTwin) asked.request = join(checkout, twin);
          }).apply(compiler);
        },
      ],
    }),
  });
  if (!code.includes(`./${twin}.ts`))
    throw new Error(`Nothing of the workflows imports ${target}.`);
  writeFileSync(path, code);
}
