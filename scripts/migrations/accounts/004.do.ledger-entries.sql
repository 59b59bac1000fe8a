-- Double entry, append-only: the user of the workers may neither change nor delete a row. The legs of one effect sum to
-- zero in each currency; an opening balance is an entry against the outside world.
CREATE TABLE IF NOT EXISTS ledger_entries (
  id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  gid        VARBINARY(128)  NOT NULL,
  branch     VARBINARY(64)   NOT NULL,
  op         VARBINARY(16)   NOT NULL,
  account_id VARBINARY(96)   NOT NULL,
  currency   VARBINARY(3)    NOT NULL,
  amount     BIGINT          NOT NULL,                       -- with its sign: what the account gains
  created_at DATETIME(3)     NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY one_leg (gid, branch, op, account_id),          -- a leg booked twice is refused, not found later
  KEY by_account (account_id, amount),                       -- covers the check of balances against entries
  CHECK (amount <> 0)
) ENGINE=InnoDB;
