interface Entry {
  bytes: number;
  answer: string | undefined;
}

export interface UnderWayLimits {
  readonly items: number;
  /** The sum of items and answers that are held. */
  readonly bytes: number;
}

/**
 * Answers items in their order, and works on many at once. What is held is bounded: items whose answer nobody has taken
 * yet. At the bound no further item is read, so whoever sends or takes slowly is waited for.
 *
 * @param answer never rejects.
 * @param signal ends the reading; what has been begun goes on.
 * @returns answers, those together that are ready together.
 */
export async function* answersInOrder<Item>(
  items: AsyncIterable<Item>,
  sizeOf: (item: Item) => number,
  answer: (item: Item) => Promise<string>,
  limits: UnderWayLimits,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const held: Entry[] = [];
  const state = { bytes: 0, isRead: false };
  const taken = createCall();
  const answered = createCall();
  const isFull = () => held.length >= limits.items || state.bytes >= limits.bytes;
  const isGone = () => signal.aborted;
  const isOver = () => isGone() || (state.isRead && held.length === 0);

  function begin(item: Item): void {
    const entry: Entry = { bytes: sizeOf(item), answer: undefined };
    held.push(entry);
    state.bytes += entry.bytes;
    void answer(item).then((text) => {
      entry.answer = text;
      entry.bytes += text.length;
      state.bytes += text.length;
      if (entry === held[0]) answered.call();
    });
  }

  async function read(): Promise<void> {
    try {
      for await (const item of items) {
        if (isGone()) return;
        begin(item);
        while (isFull() && !isGone()) await taken.wait();
      }
    } finally {
      state.isRead = true;
      answered.call();
    }
  }

  function takeReady(): string {
    const count = held.findIndex((entry) => entry.answer === undefined);
    const ready = held.splice(0, count === -1 ? held.length : count);
    for (const entry of ready) state.bytes -= entry.bytes;
    return ready.map((entry) => entry.answer).join('');
  }

  const wakeBoth = (): void => {
    taken.call();
    answered.call();
  };
  signal.addEventListener('abort', wakeBoth);
  const reading = read();
  reading.catch(() => undefined); // It is awaited at the end, which is late for a rejection.
  try {
    while (!isOver()) {
      const ready = takeReady();
      taken.call();
      if (ready !== '') yield ready;
      else if (!isOver()) await answered.wait();
    }
    if (!isGone()) await reading;
  } finally {
    signal.removeEventListener('abort', wakeBoth);
  }
}

/** One waits, another calls. A call that nobody waits for is kept until somebody does. */
function createCall() {
  let isCalled = false;
  let wake: (() => void) | undefined;
  return {
    call(): void {
      isCalled = true;
      wake?.();
    },
    async wait(): Promise<void> {
      if (!isCalled) await new Promise<void>((resolve) => (wake = resolve));
      [isCalled, wake] = [false, undefined];
    },
  };
}
