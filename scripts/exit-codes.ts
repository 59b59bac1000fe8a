/** The exit of a tool whose exit code is a verdict. Exit code 2 means: an error prevented a verdict. */
import { CommanderError } from 'commander';

import { fail } from './report';

/** Ends a Command with `exitOverride()`. A verdict that was reached before the error stands; help exits with 0. */
export function exitWithoutVerdict(error: unknown): never {
  // Commander has said already what was wrong.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2);
  fail(error);
  process.exit(Number(process.exitCode ?? 0) || 2);
}
