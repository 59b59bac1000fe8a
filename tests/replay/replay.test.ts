import { beforeAll, describe, expect, it } from '@jest/globals';
import { ReplayError } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';

import { bundleWorkflows } from '../../scripts/bundle-workflows';
import { scenarios } from './scenarios';
import type { HistoryEvent, Recording } from './support';
import { aRecording, askedIn, bundleForReplay, recordings, replay } from './support';

let replayBundle = '';

beforeAll(async () => {
  replayBundle = await bundleForReplay();
}, 60_000);

describe('the corpus of recordings', () => {
  it('has a recording for every scenario and a scenario for every recording', () => {
    const recorded = recordings.map(({ file }) => scenarioOf(file));
    expect([...new Set(recorded)].sort()).toEqual(scenarios.map(({ name }) => name).sort());
  });

  it.each(recordings.map((recording) => [recording.file, recording] as const))(
    '%s was made by a real worker: without its flags replay would compare less',
    (_file, { history }) => {
      const task = history.events.find((event) => event.workflowTaskCompletedEventAttributes);
      const flags = task?.workflowTaskCompletedEventAttributes?.sdkMetadata?.coreUsedFlags;
      expect(flags).toContain(1);
    },
  );
});

describe('the code of today', () => {
  it.each(recordings.map((recording) => [recording.file, recording] as const))(
    'replays %s and asks for the same inputs, times and result',
    async (_file, recording) => {
      const { error, asked } = await replay(recording, replayBundle);
      expect(error).toBeUndefined();
      const recorded = askedIn(recording);
      expect(asked.activities).toEqual(recorded.activities);
      expect(asked.timersMs).toEqual(recorded.timersMs);
      expect(asked.results).toEqual(recorded.results);
    },
  );
});

describe('the gate refuses', () => {
  const completed = () => aRecording('order-completed');

  it('a recording whose steps were swapped', async () => {
    const recording = altered(completed(), (events) => {
      const [first, second] = scheduled(events, 'inventory.reserveStock', 'accounts.holdFunds');
      [first.activityType, second.activityType] = [second.activityType, first.activityType];
    });
    expect((await replay(recording, replayBundle)).error).toBeInstanceOf(DeterminismViolationError);
  });

  it('a recording in which an activity was renamed', async () => {
    const recording = altered(completed(), (events) => {
      const [capture] = scheduled(events, 'accounts.captureFunds');
      capture.activityType = { name: 'accounts.takeFunds' };
    });
    expect((await replay(recording, replayBundle)).error).toBeInstanceOf(DeterminismViolationError);
  });

  it('a recording of a workflow type that is gone', async () => {
    const recording = altered(completed(), ([started]) => {
      if (started?.workflowExecutionStartedEventAttributes) {
        started.workflowExecutionStartedEventAttributes.workflowType.name = 'orderSagaOld';
      }
    });
    expect((await replay(recording, replayBundle)).error).toBeInstanceOf(ReplayError);
  });

  it('a changed amount, which replay alone lets pass', async () => {
    const recording = altered(completed(), (events) => {
      const [hold] = scheduled(events, 'accounts.holdFunds');
      hold.input = withTextReplaced(hold.input, '1250', '1251');
    });
    const { error, asked } = await replay(recording, replayBundle);
    expect(error).toBeUndefined();
    expect(asked.activities).not.toEqual(askedIn(recording).activities);
  });

  it('a changed timer, which replay alone lets pass', async () => {
    const recording = altered(completed(), (events) => {
      const timer = events.find((event) => event.timerStartedEventAttributes);
      if (timer?.timerStartedEventAttributes) {
        timer.timerStartedEventAttributes.startToFireTimeout = '7s';
      }
    });
    const { error, asked } = await replay(recording, replayBundle);
    expect(error).toBeUndefined();
    expect(asked.timersMs).not.toEqual(askedIn(recording).timersMs);
  });
});

describe('the bundle', () => {
  it('of production builds and holds no driver and no Node module', async () => {
    // The bundler itself refuses what workflow code must not import.
    await expect(bundleWorkflows('workflows/index.ts', 'dist/workflow-bundle.js')).resolves.toMatch(
      /workflow-bundle\.js$/,
    );
  }, 60_000);
});

const scenarioOf = (file: string): string =>
  file.replace(/^\d+\.\d+\.\d+-/, '').replace(/\.json$/, '');

function altered(recording: Recording, alter: (events: HistoryEvent[]) => void): Recording {
  alter(recording.history.events);
  return recording;
}

type Scheduled = NonNullable<HistoryEvent['activityTaskScheduledEventAttributes']>;

/** The first scheduling of each of these activities. */
function scheduled<Names extends readonly string[]>(
  events: readonly HistoryEvent[],
  ...names: Names
): { [Name in keyof Names]: Scheduled } {
  return names.map((name) => {
    const found = events.find(
      (event) => event.activityTaskScheduledEventAttributes?.activityType.name === name,
    );
    if (!found?.activityTaskScheduledEventAttributes)
      throw new Error(`${name} was never scheduled.`);
    return found.activityTaskScheduledEventAttributes;
  }) as { [Name in keyof Names]: Scheduled }; // One for each name, or it has thrown.
}

function withTextReplaced(
  input: Scheduled['input'],
  from: string,
  to: string,
): NonNullable<Scheduled['input']> {
  const payloads = (input?.payloads ?? []).map((payload) => {
    const text = Buffer.from(payload.data ?? '', 'base64').toString('utf8');
    return { ...payload, data: Buffer.from(text.replace(from, to)).toString('base64') };
  });
  return { payloads };
}
