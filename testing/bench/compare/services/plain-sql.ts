/** Two SQL transactions, one after the other, and nobody who finishes what a crash leaves half done. */
import { openBank } from '../bank';
import { endWith, serve, told } from '../service';

const bank = openBank(told('BANK_URL'));
serve(Number(told('PORT')), async (transfer) => {
  await bank.debit(transfer);
  await bank.credit(transfer);
});
endWith(() => bank.close());
