import { amountText, type AmountAtRisk } from './money';
import type { Consent, Evidence, HandResolution } from './transaction';

/** A person's statement that what a skipped step left behind is accounted for. */
export interface Booking {
  readonly by: string;
  /** `null`: one person was enough. */
  readonly consent: Consent | null;
  readonly evidence: Evidence;
  /** RFC 3339, UTC, milliseconds. */
  readonly bookedAt: string;
  /** Version of the row that the person saw. It identifies the call, so the call takes effect once. */
  readonly version: number;
}

/** A resolution as the row keeps it. */
export interface KeptResolution extends HandResolution {
  readonly booked: Booking | null;
}

/** `open`: a skipped step is not booked. `closed`: every step was done by hand, or is booked. */
export const handStates = ['open', 'closed'] as const;
export type HandState = (typeof handStates)[number];

/** A skipped step that is not booked. Its amounts stay at risk. */
export const isUnbooked = ({ decision, booked }: KeptResolution): boolean =>
  decision === 'skip' && booked === null;

export const handStateOf = (resolutions: readonly KeptResolution[]): HandState =>
  resolutions.some(isUnbooked) ? 'open' : 'closed';

/** What is still held for steps that were skipped and not booked. */
export const unbookedAmounts = (resolutions: readonly KeptResolution[]): readonly AmountAtRisk[] =>
  resolutions.filter(isUnbooked).flatMap(({ amounts }) => amounts);

/** A sentence for endings and explanations: the person, the decision, the second person and the evidence. */
export function resolutionText({
  step,
  decision,
  by,
  consent,
  evidence,
  amounts,
}: HandResolution): string {
  const proof = `(${evidence.kind} ${evidence.ref})${consentText(consent)}`;
  const what = amounts.map(amountText).join(', ');
  return decision === 'skip'
    ? `${by} skipped ${step} ${proof}; ${what === '' ? 'what it left stands' : `still held: ${what}`}.`
    : `${by} said that ${step} was done by hand ${proof}${what && `; claimed: ${what}`}.`;
}

/** What became of the step since: booked or not. Empty if nothing has to be booked. */
export function bookingText(resolution: KeptResolution): string {
  const { step, booked } = resolution;
  if (isUnbooked(resolution)) return `Nobody has booked what ${step} left.`;
  if (!booked) return '';
  const { by, evidence, consent } = booked;
  return `${by} booked what ${step} left (${evidence.kind} ${evidence.ref})${consentText(consent)}.`;
}

/** Text after the name of the person who acted. */
export function consentText(consent: Consent | null | undefined): string {
  switch (consent?.kind) {
    case undefined:
      return '';
    case 'approved':
      return `, approved by ${consent.by}`;
    case 'brokenGlass':
      return `, alone, with broken glass: ${consent.reason.replace(/\.$/, '')}`;
  }
}
