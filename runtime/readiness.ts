import { renameSync, rmSync, writeFileSync } from 'node:fs';

/** Content of the file READY_FILE of a process that is ready for work. */
export interface Readiness {
  readonly pid: number;
  /** Port of /livez: that of the metrics, or of the API. */
  readonly port: number;
}

/**
 * Reports to the parent process that this process is ready, independently of its log. The file is complete or absent.
 * The process removes it at its end. After a kill the file stays, with the pid of a dead process.
 *
 * @param file left out: no report.
 */
export function announceReadiness(file: string | undefined, port: number): void {
  if (file === undefined) return;
  const readiness: Readiness = { pid: process.pid, port };
  const unfinished = `${file}.${process.pid}.new`;
  writeFileSync(unfinished, JSON.stringify(readiness));
  renameSync(unfinished, file);
  process.once('exit', () => rmSync(file, { force: true }));
}
