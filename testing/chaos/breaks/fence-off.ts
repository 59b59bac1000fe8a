/** Looks first and writes later: what comes in between is overwritten. */
import * as sound from '../../../activities/fence/rows';
import { stepKeyOf } from '../../../contracts/engine/ids';

export { moveRows, removeRows, storeAnswers } from '../../../activities/fence/rows';

type Enter = Parameters<typeof sound.enterRows>;
/** What each SQL transaction has looked for and not found. */
const missing = new WeakMap<Enter[0], Enter>();

export const enterRows: typeof sound.enterRows = async (sql, origin, entries) => {
  const found = await sql.select<{ readonly gid: string; readonly branch: string }>(
    'SELECT gid, branch FROM fence WHERE (gid, branch) IN (?)',
    [entries.map(({ gid, branch }) => [gid, branch])],
  );
  const known = new Set(found.map(({ gid, branch }) => stepKeyOf(gid, branch)));
  const isKnown = (entry: sound.Effect): boolean => known.has(stepKeyOf(entry.gid, entry.branch));
  const there = entries.filter(isKnown);
  if (there.length > 0) await sound.enterRows(sql, origin, there);
  missing.set(sql, [sql, origin, entries.filter((entry) => !isKnown(entry))]);
};

export const lockRows: typeof sound.lockRows = async (sql, effects, issuedAt) => {
  const [, origin, entries] = missing.get(sql) ?? [];
  missing.delete(sql);
  if (origin && entries && entries.length > 0) {
    await sound.enterRows(sql, origin, entries);
    await sql.change(
      'UPDATE fence SET state = ?, reserves = ?, attempt_token = ? WHERE (gid, branch) IN (?)',
      [
        origin.state,
        origin.reserves ? 1 : 0,
        origin.token,
        entries.map(({ gid, branch }) => [gid, branch]),
      ],
    );
  }
  return sound.lockRows(sql, effects, issuedAt);
};
