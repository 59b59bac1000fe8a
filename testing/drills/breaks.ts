/**
 * Planted bugs of a switch of regions: each is a broken twin of one shipped module, `testing/drills/breaks/<name>.ts`,
 * and a drill that brings it in must turn red.
 */
import { buildWithTwin } from '../chaos/broken-build';
import type { Build } from '../environment/application';

export const regionBreaks = {
  fence: {
    target: 'activities/regions/switch/fencing',
    sentence: 'the region that was active is said to be fenced, and is not',
  },
  epoch: {
    target: 'activities/regions/switch/epochs',
    sentence: 'the promoted region does not enter the new epoch',
  },
  drain: {
    target: 'activities/regions/switch/mysql-region',
    sentence: 'the standby is promoted before it has applied what has come to it',
  },
  timeout: {
    target: 'activities/regions/switch/mysql-region',
    sentence: 'the active region waits a second for its standby, and then acknowledges alone',
  },
  seal: {
    target: 'activities/regions/switch/decisions',
    sentence: 'whoever asks whether a switch has advanced its epoch is told that it never will',
  },
} as const;
export type RegionBreak = keyof typeof regionBreaks;
export const regionBreakNames = Object.keys(regionBreaks) as readonly RegionBreak[];

export const brokenRegions = (name: RegionBreak): Promise<Build> =>
  buildWithTwin(`regions-${name}`, {
    target: regionBreaks[name].target,
    twin: `testing/drills/breaks/${name}`,
  });
