/**
 * The books of an application: what is wrong with its databases and between them and the other servers, so an empty
 * answer is sound (docs/guarantees.md). SQL is asked by `books/`, as the API asks it; what needs Kafka, Temporal or the
 * API is asked here, and only where their addresses are given.
 */
import { openPack, type Books, type Check, type Violation } from '../books/pack';
import { chainPrograms } from './books/chains';

export type { Books, Check, Violation };

/**
 * One round over everything that SQL says, whatever its age.
 *
 * @param verifyUrls addresses of a user who may read, separated by commas: VERIFY_DATABASE_URLS.
 */
export async function checkBooks(verifyUrls: string): Promise<Books> {
  const pack = openPack(verifyUrls.split(','), { programs: chainPrograms });
  try {
    return await pack.check(['whole']);
  } finally {
    await pack.close();
  }
}
