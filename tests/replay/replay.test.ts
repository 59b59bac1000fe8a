import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { Verdict } from '../../testing/replay/gate';
import { localMarkerOf } from '../../testing/replay/calls';
import { hashListOf, whatWasTouched } from '../../testing/replay/hash-list';
import { isEnded, workflowTypeOf } from '../../testing/replay/history';
import { altered, alterations, alterMarker } from './alterations';
import {
  aRecording,
  bundleOfToday,
  folder,
  recordings,
  verdictsOn,
  type Recording,
} from './corpus';
import { batchScenarios } from './batch-scenarios';
import { jobScenarios } from './job-scenarios';
import { scenarios } from './scenarios';

let bundlePath = '';
let verdicts: readonly Verdict<Recording>[] = [];

/** A replay that has not ended by then hangs. Not how long one takes: that is the machine's. */
const hangsAfterMs = 900_000;

beforeAll(async () => {
  bundlePath = await bundleOfToday();
  verdicts = await verdictsOn(recordings, bundlePath);
}, hangsAfterMs);

describe('the corpus of recordings', () => {
  it('has a recording for every scenario and a scenario for every recording', () => {
    const recorded = recordings.map(({ scenario }) => scenario);
    expect([...new Set(recorded)].sort()).toEqual(
      [...scenarios, ...jobScenarios, ...batchScenarios].map(({ name }) => name).sort(),
    );
  });

  it('is as it was recorded: each file has the hash that the recorder wrote down', () => {
    expect(whatWasTouched(folder)).toEqual([]);
  });

  describe('tells when it was touched', () => {
    // Jest runs afterEach also where a beforeAll has failed and no beforeEach has run: only what was made is removed.
    const made: string[] = [];
    let copy = '';
    beforeEach(() => {
      const parent = mkdtempSync(join(tmpdir(), 'accord-recordings-'));
      made.push(parent);
      copy = join(parent, 'histories');
      cpSync(folder, copy, { recursive: true });
      cpSync(hashListOf(folder), hashListOf(copy));
    });
    afterEach(() => {
      for (const parent of made.splice(0)) rmSync(parent, { recursive: true });
    });

    it('a recording that was edited, one that is gone, and one that the recorder has not made', () => {
      const [edited, gone] = recordings.map(({ file }) => file);
      const text = readFileSync(join(copy, edited ?? ''), 'utf8');
      writeFileSync(join(copy, edited ?? ''), text.replace('"1"', '"1" '));
      rmSync(join(copy, gone ?? ''));
      writeFileSync(join(copy, 'own-made.json'), text);
      expect(whatWasTouched(copy)).toEqual([
        `${edited} was edited after it was recorded.`,
        `${gone} was recorded, and is gone.`,
        'own-made.json was not made by record-history.',
      ]);
    });
  });
});

describe('the code of today', () => {
  it.each(recordings.map(({ name }, index) => [name, index] as const))(
    'replays %s and asks for the same inputs, times and result',
    (_name, index) => {
      const { kind, sentence } = verdicts[index] ?? { kind: 'none', sentence: '' };
      expect({ kind, sentence }).toEqual({ kind: 'replayed', sentence: '' });
    },
  );
});

/** One recording of each workflow type, with nothing special about it. */
const plain = [...new Set(recordings.map(({ history }) => workflowTypeOf(history)))].map((type) => {
  const ofType = recordings.filter(({ history }) => workflowTypeOf(history) === type);
  const recording = ofType.find(({ scenario }) => scenario.endsWith('-completed')) ?? ofType[0];
  return recording?.scenario ?? '';
});

/** Every alteration of every workflow type that has something of the kind. */
const copies = alterations.flatMap((alteration) =>
  plain.flatMap((scenario) => altered(scenario, alteration) ?? []),
);

describe('the gate refuses a real recording where', () => {
  let refusals: readonly Verdict<(typeof copies)[number]>[] = [];
  beforeAll(async () => {
    refusals = await verdictsOn(copies, bundlePath);
  }, hangsAfterMs);

  it.each(alterations.map(({ title }) => title))('%s, for every workflow type', (title) => {
    const ofTitle = refusals.filter(({ of }) => of.title === title);
    expect(ofTitle.length).toBeGreaterThan(0);
    for (const { of, kind, sentence } of ofTitle) {
      expect(kind).toBe('refused');
      expect(sentence).toMatch(new RegExp(`^${of.name}: .*${of.says}`));
    }
  });

  it('only its first event is left, and does not wait for ever for its replay', async () => {
    const recording = aRecording('order-completed');
    recording.history.events.splice(1);
    const [verdict] = await verdictsOn([recording], bundlePath);
    expect(verdict?.kind).toBe('untouched');
  });
});

describe('the gate says it in the words of the business', () => {
  it('names the step of the recording, and the one that is called in its place', async () => {
    const recording = aRecording('order-refused-hold-funds');
    for (const event of recording.history.events) {
      if (localMarkerOf(event)?.activity === 'accounts.holdFunds')
        alterMarker(event, { activity_type: 'accounts.reserveFunds' });
    }
    const [verdict] = await verdictsOn([recording], bundlePath);
    expect(verdict?.sentence).toBe(
      `${recording.name}: the recording calls accounts.reserveFunds (step holdFunds) second; ` +
        "today's code calls accounts.holdFunds (step holdFunds).",
    );
    expect(verdict?.sentence).not.toMatch(/event/i);
  });
});

describe('what is replayed', () => {
  it('has ended, or waits for a person', () => {
    const open = recordings.filter(({ history }) => !isEnded(history));
    expect(open.map(({ scenario }) => scenario)).toEqual([]);
  });
});
