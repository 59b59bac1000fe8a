/** X5: what the API tells of a transaction is what the participants' rows say. */
import { z } from 'zod';

import type { Database, Reading } from '../../invariants/reading';
import { application } from '../../contracts/engine/application';
import {
  partsOfGid,
  partsOfStepKey,
  type Branch,
  type Gid,
  type Tenant,
} from '../../contracts/engine/ids';
import type { Finding } from './findings';

/** An API, and a key of one tenant that may read. */
export interface ApiAccess {
  readonly url: string;
  /** Value of the header `Authorization`. */
  readonly authorization: string;
  readonly tenant: Tenant;
}

/** The newest of each flow: each is one request. */
const askedOfFlow = 5;
const answerMs = 10_000;

const storySchema = z.looseObject({
  state: z.string(),
  steps: z.array(
    z.looseObject({
      name: z.string(),
      key: z.string(),
      state: z.string(),
      /** `null`: no call was answered, so there need be no row. */
      fence: z.string().nullable(),
    }),
  ),
});
type Story = z.infer<typeof storySchema>;

interface FenceRow {
  readonly branch: Branch;
  readonly state: string;
}

/** Ended ones alone: neither their story nor their rows change any more. */
export async function compareExplanations(
  readings: ReadonlyMap<Database, Reading>,
  api: ApiAccess,
): Promise<{ readonly rows: number; readonly violations: readonly Finding[] }> {
  const violations: Finding[] = [];
  const ended = await newestOf(readings.get('accord'), api.tenant);
  for (const { gid, state } of ended) {
    const story = await explain(api, gid);
    const rows = await rowsOf(readings, gid);
    const wrong = story ? differencesOf(gid, state, story, rows) : ['it cannot be explained'];
    for (const what of wrong) violations.push({ database: 'accord', row: { gid, wrong: what } });
  }
  return { rows: ended.length, violations };
}

/** @returns a sentence for each thing that is told otherwise than it is. */
export function differencesOf(
  gid: Gid,
  state: string,
  story: Story,
  rows: readonly FenceRow[],
): readonly string[] {
  const wrong: string[] = [];
  if (story.state !== state) wrong.push(`told as ${story.state}, and its row says ${state}`);
  const flow = partsOfGid(gid)?.flow;
  const steps = flow === undefined ? [] : application().stepsOfFlow(flow);
  const planned = new Set(steps.map(({ name }) => name));
  /** A step that confirms another one is on its branch, whatever key it is told under. */
  const branchOf = ({ name, key }: Story['steps'][number]): Branch =>
    steps.find((step) => step.name === name)?.confirms ?? partsOfStepKey(key)?.branch ?? name;
  const states = new Map(rows.map((row) => [row.branch, row.state]));
  const told = new Set<Branch>();
  const byHand = new Set<Branch>();
  for (const step of story.steps) {
    const branch = branchOf(step);
    told.add(branch);
    if (step.state === 'doneByHand' || step.state === 'skipped') byHand.add(branch);
  }
  for (const step of story.steps) {
    const branch = branchOf(step);
    const stands = states.get(branch);
    if (
      isQuestion(step.name) ||
      byHand.has(branch) ||
      isTold(step.state, stands, planned.has(branch) && step.fence !== null)
    )
      continue;
    wrong.push(
      `${step.name} is told as ${step.state}, and its fence row is ${stands ?? 'missing'}`,
    );
  }
  for (const { branch, state: stands } of rows) {
    // Pages and decisions have branches that are no planned steps.
    if (planned.has(branch) && !told.has(branch) && (stands === 'acted' || stands === 'confirmed'))
      wrong.push(`${branch} is ${stands}, and nothing is told of it`);
  }
  return wrong;
}

/** `seal-<step>` asks whether a decision was made, and sees to it that it never is: done, whatever the row says. */
const isQuestion = (name: string): boolean => name.startsWith('seal-');

/** A page of a settlement is no planned step. */
function isTold(told: string, stands: string | undefined, hasRow: boolean): boolean {
  switch (told) {
    case 'done':
      return stands === 'acted' || stands === 'confirmed' || (stands === undefined && !hasRow);
    case 'undone':
      return stands === 'undone' || stands === 'empty' || stands === 'refused' || !hasRow;
    case 'refused':
      return stands === undefined || stands === 'refused' || stands === 'empty';
    default:
      return true;
  }
}

async function newestOf(
  accord: Reading | undefined,
  tenant: Tenant,
): Promise<readonly { readonly gid: Gid; readonly state: string }[]> {
  const found = await accord?.select<{ readonly gid: Gid; readonly state: string }>(
    `SELECT gid, state FROM (
       SELECT gid, state, ROW_NUMBER() OVER (PARTITION BY flow ORDER BY ended_at DESC) AS place
         FROM runs WHERE tenant = ? AND ended_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY) newest
       WHERE place <= ?`,
    [tenant, askedOfFlow],
  );
  return found ?? [];
}

async function explain({ url, authorization }: ApiAccess, gid: Gid): Promise<Story | undefined> {
  const answer = await fetch(`${url}/v1/transactions/${gid}/explain`, {
    headers: { authorization },
    signal: AbortSignal.timeout(answerMs),
  });
  if (answer.status === 404) return undefined;
  if (!answer.ok) throw new Error(`The API answers ${answer.status} to explain ${gid}.`);
  return storySchema.parse(await answer.json());
}

async function rowsOf(
  readings: ReadonlyMap<Database, Reading>,
  gid: Gid,
): Promise<readonly FenceRow[]> {
  const rows: FenceRow[] = [];
  for (const reading of readings.values())
    rows.push(
      ...(await reading.select<FenceRow>('SELECT branch, state FROM fence WHERE gid = ?', [gid])),
    );
  return rows;
}
