/**
 * How every command tells what it found: tables that fit a terminal, colours on a terminal alone, the report as JSON
 * where it is asked for, and the verdict last, in one sentence. Progress is on standard error.
 */
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

import Table from 'cli-table3';
import { Option, type Command } from 'commander';
import picocolors from 'picocolors';

import { areColoursWanted } from '../testing/stack/config';
import { diskSentence } from '../testing/stack/disk';
import { reasonOf } from '../runtime/waiting';

/** What is written has them; what is shown has them on a terminal. */
export const colors = picocolors.createColors(true);

/** `--json`: on standard output. `--json FILE`: in that file, beside the report for people. */
export type JsonTarget = string | true | undefined;
export const jsonOption = (): Option =>
  new Option('--json [file]', 'write the report as JSON, to standard output or to a file');

/** The end of a report. */
export interface Verdict {
  readonly ok: boolean;
  readonly sentence: string;
}

/** Where people read. A command is one process, and tells one report. */
let people: NodeJS.WriteStream = process.stdout;

/** The exit code where the report could not be written, or whatever else keeps a command from a verdict. */
const exitWithoutVerdict = 2;

/**
 * Before anything is printed: where standard output is the JSON's, people read on standard error. Ends the process with
 * 2 where the file of the JSON cannot be written: known before the run, not after it.
 */
export function reportTo(json: JsonTarget): void {
  people = json === true ? process.stderr : process.stdout;
  watchStreams();
  if (typeof json !== 'string') return;
  try {
    tryToWrite(json);
  } catch (error) {
    sayUnwritten(json, error);
    process.exit(exitWithoutVerdict);
  }
}

/** Leaves everything as it was. */
function tryToWrite(file: string): void {
  const wasThere = existsSync(file);
  closeSync(openSync(file, 'a'));
  if (!wasThere) rmSync(file);
}

let isWatched = false;
let isLost = false;
let isUnwritten = false;

function watchStreams(): void {
  if (isWatched) return;
  isWatched = true;
  for (const stream of [process.stdout, process.stderr]) stream.on('error', lose);
  process.once('exit', (code) => {
    // The event of a stream comes later than an exit right behind the last line.
    if (process.stdout.errored) lose(process.stdout.errored);
    // A violation keeps its exit code. A success does not, since its report cannot be read.
    if (isUnwritten && code === 0) process.exitCode = exitWithoutVerdict;
  });
}

/**
 * Standard output, or standard error, takes no more. Who reads it has gone (`| head`): the run ends in its order, as by
 * SIGTERM. The disk is full: people read the rest on standard error.
 */
function lose(error: NodeJS.ErrnoException): void {
  if (isLost) return;
  isLost = true;
  if (error.code === 'EPIPE') {
    process.kill(process.pid, 'SIGTERM');
    return;
  }
  people = process.stderr;
  sayUnwritten('Standard output', error);
}

function sayUnwritten(where: string, error: unknown): void {
  isUnwritten = true;
  fail(`${where} cannot be written: ${reasonOf(error)}`);
}

/** A part of the report, for people. */
export function print(text: string): void {
  write(people, text);
}

/** The report as JSON, where it is asked for. A file that cannot be written is a sentence, and never success. */
export function printJson(json: JsonTarget, data: unknown): void {
  if (json === undefined) return;
  const text = `${JSON.stringify(data, undefined, 2)}\n`;
  if (json === true) {
    process.stdout.write(text);
    return;
  }
  try {
    writeFileSync(json, text);
  } catch (error) {
    sayUnwritten(json, error);
  }
}

/** Ends the report. */
export function conclude(json: JsonTarget, data: unknown, { ok, sentence }: Verdict): void {
  printJson(json, data);
  print(ok ? colors.green(sentence) : colors.red(sentence));
}

/** Progress. */
export function say(line: string): void {
  write(process.stderr, colors.dim(line));
}

/**
 * Runs a command as a program. What keeps it from its end is one sentence, and exit code 2: 1 is a verdict of the
 * command. So is a word of the command line that it does not know. A verdict that was reached before the error stands.
 */
export function runCommand(command: Command): void {
  void ended(command);
}

/** Runs a command, and leaves when it has ended: drivers may keep an idle socket for seconds. */
export function runCommandAndLeave(command: Command): void {
  void ended(command).then(() => process.exit());
}

async function ended(command: Command): Promise<void> {
  leaveWithoutVerdict(command);
  try {
    await command.parseAsync();
  } catch (error) {
    fail(error);
    process.exitCode = Number(process.exitCode ?? 0) || exitWithoutVerdict;
  }
}

/** Where Commander itself would end with 1. It has said by then what was wrong. */
function leaveWithoutVerdict(command: Command): void {
  command.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : exitWithoutVerdict));
  for (const part of command.commands) leaveWithoutVerdict(part);
}

/** Why there is no report. */
export function fail(error: unknown): void {
  write(process.stderr, colors.red(diskSentence(error) ?? reasonOf(error)));
}

function write(stream: NodeJS.WriteStream, text: string): void {
  const isColoured = stream.isTTY && areColoursWanted();
  stream.write(`${isColoured ? text : stripVTControlCharacters(text)}\n`);
}

type Cell = string | number;
const width = 80;
const gap = 2;
const bare = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '' },
};

/** Columns, the widest of which are broken where a line would be longer than 80 letters. */
export function tableOf(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const widths = widthsOf([head, ...rows]);
  const table = new Table({
    ...{ chars: bare, colWidths: widths.map((columns) => columns + gap), wordWrap: true },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': gap },
  });
  const cellsOf = (cells: readonly Cell[]) =>
    cells.map((cell, at) => ({
      content: String(cell),
      // A word that is longer than its column is broken; it would be cut.
      wrapOnWordBoundary: longest(String(cell).split(/\s+/)) <= (widths[at] ?? 0),
    }));
  table.push(cellsOf(head.map((name) => colors.bold(name))), ...rows.map(cellsOf));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** The widest column gives way first, and words are broken where nothing else is left. */
function widthsOf(rows: readonly (readonly Cell[])[]): number[] {
  const columns = (rows[0] ?? []).map((_, at) => rows.map((row) => String(row[at] ?? '')));
  const widths = columns.map((cells) => longest(cells.flatMap((cell) => cell.split('\n'))));
  const words = columns.map((cells) => longest(cells.flatMap((cell) => cell.split(/\s+/))));
  const room = width - gap * (widths.length - 1);
  for (let over = sum(widths) - room; over > 0; over -= 1) {
    const slack = widths.map((of, at) => (of > (words[at] ?? 0) ? of : 0));
    const widest = Math.max(...slack) > 0 ? slack : widths;
    const at = widest.indexOf(Math.max(...widest));
    widths[at] = Math.max(1, (widths[at] ?? 1) - 1);
  }
  return widths.map((of) => Math.max(1, of));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
const longest = (texts: readonly string[]): number =>
  Math.max(0, ...texts.map((text) => stripVTControlCharacters(text).length));
