/**
 * When each transaction of a load is due. The times are fixed before the first one is sent: a slow answer delays none
 * of those that follow, and its own wait counts from the time it was due (no coordinated omission).
 */

/** The rate changes evenly from `from` to `to` transactions a second. */
export interface Stage {
  readonly seconds: number;
  readonly from: number;
  readonly to: number;
}

export const steady = (perSecond: number, seconds: number): readonly Stage[] => [
  { seconds, from: perSecond, to: perSecond },
];

/** Shares of the time, and of the most users, that each stage of the API's load profile begins and ends with. */
const usersProfile = [
  { time: 2, from: 0, to: 0.5 },
  { time: 5, from: 0.5, to: 0.5 },
  { time: 2, from: 0.5, to: 1 },
  { time: 5, from: 1, to: 1 },
  { time: 2, from: 1, to: 0 },
];
const usersProfileTime = 16;

/**
 * The API's load profile: up to half of the users, hold, up to all of them, hold, down to none. A user acts once a
 * second, so the users of a moment are its transactions a second.
 */
export const usersStages = (users: number, seconds: number): readonly Stage[] =>
  usersProfile.map(({ time, from, to }) => ({
    seconds: (seconds * time) / usersProfileTime,
    from: users * from,
    to: users * to,
  }));

export const secondsOf = (stages: readonly Stage[]): number =>
  stages.reduce((all, { seconds }) => all + seconds, 0);

export const transactionsOf = (stages: readonly Stage[]): number =>
  stages.reduce((all, { seconds, from, to }) => all + (seconds * (from + to)) / 2, 0);

/** @returns when each transaction is due, in milliseconds from the start, ascending. */
export function* intendedTimes(stages: readonly Stage[]): Generator<number> {
  let beganMs = 0;
  let due = 0; // Transactions that were due before this stage; whole ones have been told.
  let next = 0;
  for (const stage of stages) {
    const all = due + transactionsOf([stage]);
    for (; next < all; next += 1) yield beganMs + 1_000 * secondsUntil(stage, next - due);
    due = all;
    beganMs += 1_000 * stage.seconds;
  }
}

/** The rate is a line, so what was due until `t` is `from·t + (to - from)·t²/2s`. Solved for t without a difference. */
function secondsUntil({ seconds, from, to }: Stage, transactions: number): number {
  if (transactions <= 0) return 0;
  const root = Math.sqrt(Math.max(0, from * from + (2 * (to - from) * transactions) / seconds));
  return (2 * transactions) / (from + root);
}
