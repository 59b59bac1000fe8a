import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { bundleWorkflows } from '../../scripts/bundle-workflows';
import { replayHistories, type Verdict } from '../../testing/replay/gate';
import { parseHistory, type NamedHistory } from '../../testing/replay/history';

export interface Recording extends NamedHistory {
  readonly file: string;
  /** Its name without its version. */
  readonly scenario: string;
}

export const folder = join(__dirname, 'histories');

export const recordings: readonly Recording[] = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .sort()
  .map((file) => {
    const name = file.replace(/\.json$/, '');
    const history = parseHistory(readFileSync(join(folder, file), 'utf8'));
    return { file, name, scenario: name.replace(/^\d+\.\d+\.\d+-/, ''), history };
  });

/** A copy, to be altered. */
export function aRecording(scenario: string): Recording {
  const found = recordings.find((recording) => recording.scenario === scenario);
  if (!found) throw new Error(`No recording of ${scenario}.`);
  return { ...found, history: structuredClone(found.history) };
}

/** A bundle of today's sources, made as `npm run build` makes the one for production. */
export const bundleOfToday = (): Promise<string> =>
  bundleWorkflows('workflows/index.ts', 'dist/test-bundles/replay.js');

/** The verdicts of the gate, in the order of the recordings. */
export async function verdictsOn<Named extends NamedHistory>(
  histories: readonly Named[],
  bundlePath: string,
): Promise<readonly Verdict<Named>[]> {
  const verdicts: Verdict<Named>[] = [];
  for await (const verdict of replayHistories(histories, { bundlePath })) verdicts.push(verdict);
  return verdicts;
}
