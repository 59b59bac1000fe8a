import { amountText } from '../../contracts/engine/money';
import { resolutionText } from '../../contracts/engine/resolutions';
import type { Run, StepRecord } from './run';
import { atRiskOf } from './run';

/** Text about a run for the Temporal UI, as Markdown: state, steps, and the decisions that a parked step waits for. */
export function detailsOf(run: Run): string {
  return [
    headline(run),
    ...reviewLines(run),
    ...parkedLines(run),
    ...handLines(run),
    '',
    ...stepLines(run),
  ].join('\n');
}

function headline(run: Run): string {
  const reason = run.reason ? ` (${run.reason.code})` : '';
  return `**${run.input.gid}** is **${run.state}**${reason}`;
}

function reviewLines({ reviewUntil, reviewAbout }: Run): readonly string[] {
  if (reviewUntil === null) return [];
  const until = new Date(reviewUntil).toISOString();
  return ['', `- waits for a person's review of **${reviewAbout}** until ${until}`];
}

function parkedLines(run: Run): readonly string[] {
  if (run.parked.size === 0) return [];
  const waiting = [...run.parked.values()].map(
    ({ step, reason, detail, decisions }) =>
      `- waits for a decision on **${step}** (${reason}): ${detail} Possible: ${decisions.join(', ')}.`,
  );
  const atRisk = atRiskOf(run).map(amountText);
  return ['', ...waiting, `- at risk: ${atRisk.length > 0 ? atRisk.join(', ') : 'nothing'}`];
}

function handLines({ resolvedByHand }: Run): readonly string[] {
  if (resolvedByHand.length === 0) return [];
  return ['', ...resolvedByHand.map((each) => `- **resolved by hand**: ${resolutionText(each)}`)];
}

/** A list instead of a table: the Temporal UI shows the columns of a table without space between them. */
function stepLines(run: Run): readonly string[] {
  return [...run.steps.values()].map(
    ({ name, kind, state, fence, detail, atRisk }, at) =>
      `${at + 1}. ${[`**${name}** (${kind})`, state, ...wordsOf(fence, atRisk, detail)].join(' · ')}`,
  );
}

const wordsOf = (
  fence: StepRecord['fence'],
  atRisk: StepRecord['atRisk'],
  detail: string | null,
): readonly string[] => [
  ...(fence === null ? [] : [`fence: ${fence}`]),
  ...atRisk.map(amountText),
  ...(detail === null ? [] : [detail]),
];
