import { isInteractive } from './config';

/** A long step, shown as long as it runs. */
export interface Task {
  /** How far it is, for example `549 of about 1,718 packages`. */
  update(state: string, share?: number): void;
  end(): void;
}

export interface Progress {
  /** One sentence that stays. */
  say(line: string): void;
  task(title: string): Task;
}

interface TaskState {
  readonly title: string;
  readonly beganAt: number;
  state: string;
  share: number | undefined;
}

const redrawMs = 200;
const quietMs = 15_000;

/** Sentences to `report`, and the running steps as lines of their own every 15 seconds. */
export function lineProgress(report: (line: string) => void): Progress {
  return progressOver({
    everyMs: quietMs,
    say: report,
    show: (tasks) => {
      for (const task of tasks) report(describe(task));
    },
    clear: () => undefined,
  });
}

/** Shows one updating line on a terminal, elsewhere plain lines; both on standard error. */
export function standardProgress(): Progress {
  const { stderr } = process;
  if (!isInteractive()) return lineProgress((line) => stderr.write(`${line}\n`));
  const clear = (): void => void stderr.write('\r\u001B[K');
  return progressOver({
    everyMs: redrawMs,
    say: (line) => {
      clear();
      stderr.write(`${line}\n`);
    },
    show: (tasks) => {
      const line = tasks.map(describeShort).join('  ·  ');
      clear();
      stderr.write(line.slice(0, (stderr.columns || 80) - 1));
    },
    clear,
  });
}

interface Screen {
  readonly everyMs: number;
  readonly say: (line: string) => void;
  readonly show: (tasks: readonly TaskState[]) => void;
  readonly clear: () => void;
}

function progressOver({ everyMs, say, show, clear }: Screen): Progress {
  const tasks = new Set<TaskState>();
  let timer: NodeJS.Timeout | undefined;
  return {
    say,
    task: (title) => {
      const task: TaskState = { title, beganAt: Date.now(), state: '', share: undefined };
      tasks.add(task);
      timer ??= setInterval(() => show([...tasks]), everyMs).unref();
      return {
        update: (state, share) => {
          task.state = state;
          task.share = share;
        },
        end: () => {
          tasks.delete(task);
          if (tasks.size > 0) return;
          clearInterval(timer);
          timer = undefined;
          clear();
        },
      };
    },
  };
}

function describe({ title, state, beganAt }: TaskState): string {
  return `${title}${state === '' ? '' : `: ${state}`} (${secondsSince(beganAt)} s so far) …`;
}

function describeShort({ title, state, share, beganAt }: TaskState): string {
  const bar = share === undefined ? '' : `${barOf(share)} `;
  return `${title} ${bar}${state === '' ? `${secondsSince(beganAt)} s` : state}`;
}

function barOf(share: number): string {
  const width = 12;
  const filled = Math.min(width, Math.round(share * width));
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`;
}

const secondsSince = (beganAt: number): number => Math.round((Date.now() - beganAt) / 1000);
