/** What the commands keep of a project, in `.accord/` of the working folder. */
import { join, resolve } from 'node:path';

export const ownFolder = resolve('.accord');

/** The bundle of the project's workflows. */
export const keptBundle = (): string => join(ownFolder, 'workflow-bundle.js');
