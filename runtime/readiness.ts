import { renameSync, rmSync, writeFileSync } from 'node:fs';

/** What stands in the file READY_FILE of a process that is ready for work. */
export interface Readiness {
  readonly pid: number;
  /** Where it serves /livez: that of its metrics, or the API's own. */
  readonly port: number;
}

/**
 * Tells whoever has started this process that it is ready, whatever its log says or leaves out. The file is whole or
 * absent, and goes with the process unless that is killed: then its pid is nobody's.
 *
 * @param file left out: nobody asked to be told.
 */
export function announceReadiness(file: string | undefined, port: number): void {
  if (file === undefined) return;
  const readiness: Readiness = { pid: process.pid, port };
  const unfinished = `${file}.${process.pid}.new`;
  writeFileSync(unfinished, JSON.stringify(readiness));
  renameSync(unfinished, file);
  process.once('exit', () => rmSync(file, { force: true }));
}
