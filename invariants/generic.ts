/** What holds in the databases of every application, whatever its business: fence, events and epochs. */
import { application } from '../contracts/engine/application';
import { countFence, countOf, newEffects, newest, type Oracle } from './oracle';
import type { Database } from './reading';

/** Fence and outbox rows of more than a day are on their way out. */
const fenceAgainstEvents = (effects: string): string => `
  SELECT f.gid, f.branch, f.state, CAST(GROUP_CONCAT(DISTINCT o.op ORDER BY o.op) AS CHAR) AS ops
    FROM ${effects} f LEFT JOIN outbox o ON o.gid = f.gid AND o.branch = f.branch
    WHERE f.created_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY
    GROUP BY f.gid, f.branch, f.state
    HAVING COALESCE(ops, '') <> CASE f.state WHEN 'acted' THEN 'act' WHEN 'confirmed' THEN 'act,confirm'
      WHEN 'undone' THEN 'act,undo' ELSE '' END`;

export const genericOracles: readonly Oracle[] = [
  {
    id: 'F',
    name: 'fence and events agree',
    databases: 'reserving',
    whole: { sql: fenceAgainstEvents('fence'), counted: countOf('fence') },
    lately: (window) => ({
      sql: fenceAgainstEvents(newEffects(window)),
      counted: countFence(window),
    }),
  },
  {
    id: 'F2',
    name: 'no event without its effect',
    databases: 'reserving',
    whole: {
      sql: `SELECT o.gid, o.branch FROM outbox o LEFT JOIN fence f ON f.gid = o.gid AND f.branch = o.branch
              WHERE f.gid IS NULL AND o.created_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY`,
      counted: countOf('outbox'),
    },
    lately: (window) => ({
      sql: `SELECT o.gid, o.branch FROM outbox o LEFT JOIN fence f ON f.gid = o.gid AND f.branch = o.branch
              WHERE f.gid IS NULL AND o.id > ${newest(window, 'outbox')} AND o.created_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY`,
      counted: countOf(`outbox WHERE id > ${newest(window, 'outbox')}`),
    }),
  },
  {
    id: 'H',
    name: 'nothing is written in an epoch that is over, or not yet',
    databases: 'reserving',
    whole: {
      sql: `SELECT f.gid, f.branch, f.epoch FROM fence f
              JOIN region_epoch r ON f.epoch > r.epoch OR (f.epoch < r.epoch AND f.created_at > r.changed_at)`,
      counted: countOf('fence'),
    },
    lately: (window) => ({
      sql: `SELECT f.gid, f.branch, f.epoch FROM ${newEffects(window)} f
              JOIN region_epoch r ON f.epoch > r.epoch OR (f.epoch < r.epoch AND f.created_at > r.changed_at)`,
      counted: countFence(window),
    }),
  },
  {
    id: 'H',
    name: 'nothing is written in an epoch that is over, or not yet',
    databases: ['accord'],
    whole: {
      sql: `SELECT f.gid, f.branch, f.epoch FROM fence f WHERE f.epoch > (SELECT MAX(epoch) FROM cluster_state)`,
      counted: countOf('fence'),
    },
    lately: (window) => ({
      sql: `SELECT f.gid, f.branch, f.epoch FROM ${newEffects(window)} f
              WHERE f.epoch > (SELECT MAX(epoch) FROM cluster_state)`,
      counted: countFence(window),
    }),
  },
];

/** The databases that an oracle is asked in. */
export const databasesOf = ({ databases }: Pick<Oracle, 'databases'>): readonly Database[] =>
  typeof databases === 'string' ? application()[databases] : databases;
