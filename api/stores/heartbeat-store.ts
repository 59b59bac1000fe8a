import type { Database } from './database';

/** A write of no meaning but that it commits, where the table of the newest migration that the API needs is there. */
export const createHeartbeatStore = (database: Database) => ({
  async beat(): Promise<void> {
    await database.select('SELECT 1 FROM approvals LIMIT 1');
    await database.change(
      `INSERT INTO heartbeats (role, at) VALUES ('api', UTC_TIMESTAMP(3))
       ON DUPLICATE KEY UPDATE at = UTC_TIMESTAMP(3)`,
    );
  },
});
export type HeartbeatStore = ReturnType<typeof createHeartbeatStore>;
