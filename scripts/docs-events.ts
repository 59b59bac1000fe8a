/** npm run docs:events: writes docs/events.md and docs/events.json from the declarations of this checkout. */
import './application';

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';

import { application } from '../contracts/engine/application';
import { breaksIn, type CataloguedEvent } from '../contracts/engine/catalogue';
import { cataloguedJson, eventsPage } from '../package/events-page';
import { checkout } from '../testing/stack/config';
import { runCommand } from '../package/report';

const page = join(checkout, 'docs/events.md');
const list = join(checkout, 'docs/events.json');

/** The recorded list is what consumers were promised, so a break is refused, and not recorded. */
function write(): void {
  const { events } = application();
  const breaks = breaksIn(recordedEvents(), events);
  if (breaks.length > 0) throw new Error(breaks.join('\n'));
  writeFileSync(list, `${JSON.stringify(cataloguedJson(events), null, 2)}\n`);
  writeFileSync(page, eventsPage(events));
  console.log(`${events.length} events.`);
}

function recordedEvents(): readonly CataloguedEvent[] {
  if (!existsSync(list)) return [];
  const { events } = JSON.parse(readFileSync(list, 'utf8')) as {
    readonly events: readonly CataloguedEvent[];
  };
  return events;
}

runCommand(
  new Command('docs:events')
    .description('Writes docs/events.md and docs/events.json.')
    .action(write),
);
