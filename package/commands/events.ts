/** accord events: the catalogue of events of the project, as a page or as JSON Schema. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';

import { application } from '../../contracts/engine/application';
import { breaksIn, type CataloguedEvent } from '../../contracts/engine/catalogue';
import { reasonOf } from '../../runtime/waiting';
import { cataloguedJson, eventsPage } from '../events-page';

interface Options {
  readonly json?: boolean;
  readonly recorded?: string;
}

/** Only the catalogue is on standard output, so it can be kept as a file. */
function show({ json = false, recorded }: Options): void {
  const { events } = application();
  if (recorded !== undefined && !isKept(recorded, events)) return;
  const text = json ? `${JSON.stringify(cataloguedJson(events), null, 2)}\n` : eventsPage(events);
  process.stdout.write(text);
}

/** Whether consumers of the recorded catalogue can read the present events. If not: says why, and the command fails. */
function isKept(file: string, events: readonly CataloguedEvent[]): boolean {
  const breaks = breaksIn(recordedIn(file), events);
  for (const sentence of breaks) console.error(sentence);
  if (breaks.length > 0) process.exitCode = 1;
  return breaks.length === 0;
}

/** @throws a sentence where the file is not there, or has no catalogue: it proves nothing then. */
function recordedIn(file: string): readonly CataloguedEvent[] {
  try {
    const { events } = JSON.parse(readFileSync(file, 'utf8')) as {
      readonly events?: readonly CataloguedEvent[];
    };
    if (Array.isArray(events)) return events as readonly CataloguedEvent[]; // Narrowed to any[].
  } catch (error) {
    throw new Error(`${file} cannot be read as a catalogue: ${reasonOf(error)}`, { cause: error });
  }
  throw new Error(`${file} is no catalogue: accord events --json prints one.`);
}

export const eventsCommand = (): Command =>
  new Command('events')
    .description('Prints the catalogue of events: topics, types, versions, fields.')
    .option('--json', 'print JSON Schema')
    .option(
      '--recorded <file>',
      'fail if consumers of this catalogue, which --json has printed, could not read the events',
    )
    .addHelpText(
      'after',
      '\nExit code: 0 done, 1 consumers could not read the events, 2 it could not be tried.',
    )
    .action(show);
