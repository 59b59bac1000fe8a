/** The saga of Restate's guide: each branch is a step of the journal, and what has begun is undone in reverse order. */
import './with-resolvers';

import type { Transfer } from '../arm';
import { InsufficientFunds, openBank } from '../bank';
import { peerPackage } from '../packages';
import { endWith, told } from '../service';

interface Context {
  run(name: string, step: () => Promise<void>): Promise<void>;
}

/** What is used of `@restatedev/restate-sdk`. */
interface RestateSdk {
  readonly TerminalError: new (message: string) => Error;
  service(definition: {
    readonly name: string;
    readonly handlers: Readonly<
      Record<string, (context: Context, given: Transfer) => Promise<void>>
    >;
  }): object;
  serve(options: { readonly services: readonly object[]; readonly port: number }): Promise<number>;
}

const restate = peerPackage(told('PACKAGES'), '@restatedev/restate-sdk') as RestateSdk;
const bank = openBank(told('BANK_URL'));

/** A refusal of the business is for good: Restate tries everything else again. */
async function refusing(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (error instanceof InsufficientFunds) throw new restate.TerminalError(error.message);
    throw error;
  }
}

const transfers = restate.service({
  name: 'transfers',
  handlers: {
    async move(context, transfer) {
      const compensations: (() => Promise<void>)[] = [];
      try {
        compensations.unshift(() => context.run('undoDebit', () => bank.undoDebit(transfer)));
        await context.run('debit', () => refusing(bank.debit(transfer)));
        await context.run('credit', () => refusing(bank.credit(transfer)));
      } catch (error) {
        if (error instanceof restate.TerminalError) {
          for (const compensate of compensations) await compensate();
        }
        throw error;
      }
    },
  },
});

void restate.serve({ services: [transfers], port: Number(told('PORT')) });
endWith(() => bank.close());
