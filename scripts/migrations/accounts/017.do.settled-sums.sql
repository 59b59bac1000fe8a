-- Sums of entries that nobody adds to any more, for reconciliation: what came since is all that a round has to sum.
CREATE TABLE IF NOT EXISTS account_sums (
  account_id VARBINARY(96)   NOT NULL,
  entry_id   BIGINT UNSIGNED NOT NULL,                       -- the last one that is in it
  amount     BIGINT          NOT NULL,
  PRIMARY KEY (account_id)
) ENGINE=InnoDB;

-- How far reconciliation has looked: effects, in their order, and accounts, each in its turn.
-- include shared/books-position.sql

-- One index for pages of an account, for its whole sum and for what came since: two before. MySQL has no CREATE INDEX IF
-- NOT EXISTS.
SET @old = (SELECT COUNT(*) = 1 FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = 'ledger_entries' AND index_name = 'pages_of_account' AND seq_in_index = 1);
SET @change = IF(@old, 'ALTER TABLE ledger_entries DROP KEY by_account, DROP KEY pages_of_account,
  ADD KEY by_account (account_id, id, amount)', 'DO 0');
PREPARE change_entries FROM @change;
EXECUTE change_entries;
DEALLOCATE PREPARE change_entries;
