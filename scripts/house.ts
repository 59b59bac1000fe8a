/** npm run house: the measures of the house, counted on the example: what a participant, a flow and an activity cost. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Command } from 'commander';

import { checkout } from '../testing/stack/config';
import {
  conclude,
  jsonOption,
  print,
  reportTo,
  runCommand,
  tableOf,
  type JsonTarget,
} from './report';

interface Measure {
  readonly name: string;
  readonly counted: number;
  /** No more than this. */
  readonly most: number;
  /** What was counted: files, places or words. */
  readonly of: readonly string[];
}

const example = 'examples/trip';
const participant = 'hotel';
const activity = 'holdRoom';
const linesMax = 450;

function show(all: readonly Measure[], json: JsonTarget): void {
  const rows = all.map(({ name, counted, most }) => [name, counted, most]);
  print(tableOf(['measure', 'counted', 'at most'], rows));
  for (const { name, of } of all) print(`\n${name}: ${of.join(', ')}`);
  const over = all.filter(({ counted, most }) => counted > most).map(({ name }) => name);
  const ok = over.length === 0;
  const sentence = ok ? 'Every measure is kept.' : `Not kept: ${over.join(', ')}.`;
  conclude(json, { ok, measures: all }, { ok, sentence });
  process.exitCode = ok ? 0 : 1;
}

function measures(): readonly Measure[] {
  const sources = filesOf(example).filter((file) => /\.(ts|sql)$/.test(file));
  if (sources.length === 0) throw new Error(`There is nothing to count in ${example}.`);
  const lines = sources.map((file) => textOf(file).trimEnd().split('\n').length);
  const twice = wordsWithTwoMeanings();
  return [
    counting(`files that name the participant ${participant}`, 6, naming(sources, participant)),
    counting('files that name the flow trip', 5, naming(sources, 'trip')),
    counting(`files that name the activity ${activity}`, 3, codeNaming(sources, activity)),
    {
      name: 'lines of TypeScript and SQL of the example',
      counted: lines.reduce((sum, each) => sum + each, 0),
      most: linesMax,
      of: sources,
    },
    counting('words of the glossary with two meanings', 0, twice),
  ];
}

const counting = (name: string, most: number, of: readonly string[]): Measure => ({
  name,
  counted: of.length,
  most,
  of,
});

/** Files in the index, and new ones that are not ignored. */
const filesOf = (folder: string): readonly string[] =>
  execFileSync('git', ['ls-files', '-co', '--exclude-standard', folder], {
    cwd: checkout,
    encoding: 'utf8',
  })
    .trim()
    .split('\n')
    .filter((file) => file !== '');

const textOf = (file: string): string => readFileSync(join(checkout, file), 'utf8');

/** Files of which the name is a part: of their path, or of their code. Comments are no place that a change must touch. */
const naming = (files: readonly string[], name: string): readonly string[] =>
  files.filter((file) =>
    // `tx.<name>` is the step that calls an activity, under a name of its own.
    new RegExp(`(?<!tx\\.)\\b${name}\\b`, 'i').test(
      `${file.slice(example.length)}\n${codeOf(file)}`,
    ),
  );

const codeOf = (file: string): string =>
  textOf(file).replace(/\/\*[^]*?\*\/|\/\/.*$|-- (?!include).*$/gm, '');

/** An activity is declared, implemented and called; what a test says of it is no place that a change must touch. */
const codeNaming = (files: readonly string[], name: string): readonly string[] =>
  naming(
    files.filter((file) => !/test/.test(file)),
    name,
  );

/** A word that the glossary explains in two rows. */
function wordsWithTwoMeanings(): readonly string[] {
  const words = [...textOf('docs/glossary.md').matchAll(/^\| \*\*(.+?)\*\*/gm)].map(
    ([, word = '']) => word,
  );
  return words.filter((word, at) => words.indexOf(word) !== at);
}

runCommand(
  new Command('house')
    .description(
      'Counts what a participant, a flow and an activity cost in the example, and the words with two meanings.',
    )
    .addOption(jsonOption())
    .action(({ json }: { readonly json?: JsonTarget }) => {
      reportTo(json);
      show(measures(), json);
    }),
);
