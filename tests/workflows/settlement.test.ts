import { describe, expect, it } from '@jest/globals';

import { aSettlement } from './support/builders';
import type { Answer } from './support/fake-participants';
import { fails, fakeParticipants, first } from './support/fake-participants';
import { decide, parkedAt } from './support/steering';
import { transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);

/** So many movements are open; each page claims its rows of them. */
function movements(open: number): Answer {
  let left = open;
  return ({ request, proceed }) => {
    const rows = 'rows' in request ? Number(request.rows) : 0;
    const claimed = Math.min(rows, left);
    left -= claimed;
    return proceed({ claimed });
  };
}

const pagesOf = ({ calls }: ReturnType<typeof fakeParticipants>) =>
  calls.filter((call) => call === 'accounts.claimSettlementPage').length;

describe('a settlement', () => {
  it.each([
    { open: 0, pages: 1 },
    { open: 9, pages: 1 },
    { open: 10, pages: 2 },
    { open: 25, pages: 3 },
  ])('of $open movements claims $pages pages of 10 rows, then closes', async ({ open, pages }) => {
    const fakes = fakeParticipants({ 'accounts.claimSettlementPage': movements(open) });
    const { steps } = await runs.run(fakes, aSettlement());
    expect(steps.map(({ name }) => name)).toEqual([
      'openSettlement',
      ...Array.from({ length: pages }, (_, at) => `claim-${at + 1}`),
      'closeSettlement',
    ]);
    expect(pagesOf(fakes)).toBe(pages);
  });

  it('that was reset claims no page anew: each is answered with what it claimed', async () => {
    const fakes = fakeParticipants({ 'accounts.claimSettlementPage': movements(25) });
    const { steps } = await runs.run(fakes, aSettlement(), async (handle) => {
      await handle.result();
      await runs.reset(handle);
    });
    expect(steps).toHaveLength(5);
    expect(steps.map(({ fence }) => fence)).toEqual(steps.map(() => 'duplicate'));
  });

  it.each(['done', 'skip'] as const)(
    'closes after a page that an operator resolved by %s: the rest goes to the next settlement',
    async (decision) => {
      const fakes = fakeParticipants({
        'accounts.claimSettlementPage': first(1, fails('InvariantBroken')),
      });
      const { outcome, steps } = await runs.run(fakes, aSettlement(), async (handle) => {
        await parkedAt(handle, 'claim-1');
        await decide(handle, 'claim-1', decision);
      });
      expect(outcome).toBe('completed');
      expect(steps.map(({ name, state }) => `${name} ${state}`)).toEqual([
        'openSettlement done',
        decision === 'skip' ? 'claim-1 skipped' : 'claim-1 doneByHand',
        'closeSettlement done',
      ]);
    },
  );
});
