/** What is compared, in the order of the report: one file and one line each. */
import type { Arm } from '../arm';
import { accordHttp, accordSingle } from './accord';
import { dbos } from './dbos';
import { plainSql } from './plain-sql';
import { restate } from './restate';
import { temporalSaga } from './temporal-saga';

export const arms: readonly Arm[] = [
  plainSql,
  temporalSaga,
  restate,
  dbos,
  accordSingle,
  accordHttp,
];
