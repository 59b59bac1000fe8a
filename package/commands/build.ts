/**
 * accord build: bundles the workflows of the project ahead, such as in the build of an image whose files nobody may
 * change. Workers and replay load the bundle as long as it is of today's files, and make it anew otherwise.
 */
import { Command } from 'commander';

import { keptBundle } from '../kept';
import type { Project } from '../project';

async function build(project: Project | undefined): Promise<void> {
  if (!project)
    throw new Error(
      "There is no accord.config.js here: the package has the bundle of Accord's own flows.",
    );
  const { bundleOf } = await import('../bundle.js');
  const { isNew } = await bundleOf(project.workflowsPath, keptBundle());
  const { isNew: isLost } = await bundleOf(project.workflowsPath, keptBundle());
  if (isLost)
    throw new Error(
      `The bundle could not be kept at ${keptBundle()}: may it be written? ` +
        'If a file has changed meanwhile, run it again.',
    );
  console.error(
    isNew ? `Bundled: ${keptBundle()}.` : `${keptBundle()} is of today's files already.`,
  );
}

/** @param project of the command line, once it is read. */
export const buildCommand = (project: () => Project | undefined): Command =>
  new Command('build')
    .description(
      'Bundles the workflows of the project ahead, for workers and replay. They bundle by themselves what has changed.',
    )
    .action(() => build(project()));
