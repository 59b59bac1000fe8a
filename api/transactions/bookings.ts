import type { Evidence } from '../../contracts/engine/transaction';
import { isUnbooked, type Booking, type KeptResolution } from '../../contracts/engine/resolutions';
import type { Now } from '../../runtime/server-clock';
import type { ActionOf } from '../approvals/actions';
import type { Approved } from '../approvals/approvals';
import { Problem } from '../http/errors';
import type { WantSecondPerson } from '../approvals/second-person';
import type { Steer } from './steering';
import type { ApprovalRow } from '../stores/approvals-store';
import type { RunsStore } from '../stores/runs-store';
import type { RunRow } from '../stores/runs/rows';
import { ruleOfBooking } from '../approvals/two-persons';

/** A person's word that what a skipped step left is in the books. `version`: the row as that person saw it. */
export interface Book extends Steer {
  readonly step: string;
  readonly version: number;
  readonly evidence: Evidence;
}

/** What became of it: written down, or it waits for a second person. */
export type Booked =
  | { readonly kind: 'booked'; readonly run: RunRow }
  | { readonly kind: 'waits'; readonly approval: ApprovalRow };

/**
 * Closes what endings that were resolved by hand have left open. Nothing is moved by it: the books were put right
 * before, by hand, and from now on nothing excuses them.
 *
 * Every method throws Problem `not_found`, `dependency_unavailable`, `nothing_to_book`, `state_changed`.
 */
export function createBookings(runs: Pick<RunsStore, 'find' | 'book'>, now: Now) {
  async function find({ tenant, gid }: Pick<Book, 'tenant' | 'gid'>): Promise<RunRow> {
    const run = await runs.find(tenant, gid);
    if (!run) throw new Problem('not_found');
    return run;
  }

  async function write(run: RunRow, step: string, booking: Omit<Booking, 'bookedAt'>) {
    const bookedAt = new Date(now()).toISOString();
    if (await runs.book(run, step, { ...booking, bookedAt })) return;
    throw new Problem('state_changed', { gid: run.gid });
  }

  /** Safe to repeat by the same person with the same version. Where money is held, asks by `want`. */
  async function book(asked: Book, want: WantSecondPerson): Promise<Booked> {
    const { gid, step, version, evidence, subject, people } = asked;
    const run = await find(asked);
    const resolution = resolutionOf(run, step);
    const { booked } = resolution;
    if (booked?.by === subject && booked.version === version) return { kind: 'booked', run };
    demandUnbooked(run, resolution);
    expectVersion(run, version);
    const rule = ruleOfBooking(run, resolution, people);
    const amounts = [...resolution.amounts];
    const granted =
      rule && (await want({ kind: 'bookStep', gid, version, step, evidence, amounts }, rule));
    if (granted?.kind === 'waits') return granted;
    const consent = granted?.consent ?? null;
    await write(run, step, { by: subject, consent, evidence, version });
    return { kind: 'booked', run: await find(asked) };
  }

  /** Writes down what a second person has approved, once, however often it is called. */
  async function bookApproved(approved: Approved<ActionOf<'bookStep'>>): Promise<void> {
    const { id, tenant, askedBy, approvedBy, action } = approved;
    const { gid, step, version, evidence } = action;
    const run = await find({ tenant, gid });
    if (isBookedBy(id, run, step)) return;
    demandUnbooked(run, resolutionOf(run, step));
    expectVersion(run, version);
    const consent = { kind: 'approved', by: approvedBy, approval: id } as const;
    try {
      await write(run, step, { by: askedBy, consent, evidence, version });
    } catch (error) {
      if (isBookedBy(id, await find({ tenant, gid }), step)) return; // Another process was quicker.
      throw error;
    }
  }

  return { book, bookApproved };
}
export type Bookings = ReturnType<typeof createBookings>;

function isBookedBy(approval: string, { resolvedByHand }: RunRow, step: string): boolean {
  const consent = resolvedByHand?.find((one) => one.step === step)?.booked?.consent;
  return consent?.kind === 'approved' && consent.approval === approval;
}

function resolutionOf({ gid, resolvedByHand }: RunRow, step: string): KeptResolution {
  const found = resolvedByHand?.find((one) => one.step === step);
  if (found) return found;
  const waiting = (resolvedByHand ?? []).filter(isUnbooked).map((one) => one.step);
  const detail = `Nobody has skipped ${step}. What waits to be booked: ${waiting.join(', ') || 'nothing'}.`;
  throw new Problem('nothing_to_book', { gid, detail });
}

function demandUnbooked({ gid }: RunRow, resolution: KeptResolution): void {
  if (isUnbooked(resolution)) return;
  const { step, by, booked, decidedAt } = resolution;
  const detail = booked
    ? `${booked.by} has booked ${step} at ${booked.bookedAt}.`
    : `${by} has said at ${decidedAt} that ${step} was done by hand.`;
  throw new Problem('nothing_to_book', { gid, detail });
}

function expectVersion(run: RunRow, version: number): void {
  if (version === run.version) return;
  throw new Problem('state_changed', {
    gid: run.gid,
    detail: `The version is ${run.version} now.`,
  });
}
