import { openSession } from '../../invariants/mysql-session';
import { databaseOf, type Database, type Reading } from '../../invariants/reading';
import { readAuditChain, readPaymentChains, type ChainsRead } from './chains';

/** Both audits, as they were read. */
export interface Audits {
  /** Audit of operators, in `accord`. */
  readonly audit: ChainsRead;
  /** Audit of payments, in `accounts`. */
  readonly paymentAudit: ChainsRead;
}

/** @param verifyUrls addresses of a user who may read, separated by commas: VERIFY_DATABASE_URLS. */
export async function readAudits(verifyUrls: string): Promise<Audits> {
  const urls = verifyUrls.split(',');
  const from = (database: Database): string => {
    const url = urls.find((each) => databaseOf(each) === database);
    if (url === undefined) throw new Error(`VERIFY_DATABASE_URLS names no database ${database}.`);
    return url;
  };
  const [audit, paymentAudit] = await Promise.all([
    withSnapshot(from('accord'), readAuditChain),
    withSnapshot(from('accounts'), readPaymentChains),
  ]);
  return { audit, paymentAudit };
}

async function withSnapshot<Result>(
  url: string,
  read: (snapshot: Reading) => Promise<Result>,
): Promise<Result> {
  const session = openSession(url);
  try {
    return await session.snapshot(read);
  } finally {
    await session.close();
  }
}
