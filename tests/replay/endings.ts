import { valuesOf, type HistoryEvent } from '../../testing/replay/history';
import type { Recording } from './corpus';

/** What befell a run, as its events have it: not as its name says. */
export function whatBefell({ history }: Recording): ReadonlySet<string> {
  return new Set(history.events.flatMap(befallen));
}

function befallen(event: HistoryEvent): readonly string[] {
  const text = JSON.stringify(event);
  return [
    ...valuesOf(event.workflowExecutionCompletedEventAttributes?.result).flatMap(outcomeOf),
    ...(text.includes('WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW') ? ['reset'] : []),
    ...(/"attempt":([2-9]|\d\d)/.test(text) ? ['retried'] : []),
    ...updatesIn(event),
  ];
}

function outcomeOf(result: unknown): readonly string[] {
  if (typeof result !== 'object' || result === null || !('outcome' in result)) return ['ended'];
  return [String(result.outcome)];
}

interface Accepted {
  readonly acceptedRequest?: {
    readonly input?: { readonly name: string; readonly args?: Parameters<typeof valuesOf>[0] };
  };
}

function updatesIn(event: HistoryEvent): readonly string[] {
  if (!('workflowExecutionUpdateAcceptedEventAttributes' in event)) return [];
  const accepted = event.workflowExecutionUpdateAcceptedEventAttributes as Accepted; // As Temporal's JSON has it.
  const { name, args } = accepted.acceptedRequest?.input ?? { name: '' };
  const [asked] = valuesOf(args);
  const decision =
    typeof asked === 'object' && asked !== null && 'decision' in asked
      ? `: ${String(asked.decision)}`
      : '';
  return [`${name}${decision}`];
}
