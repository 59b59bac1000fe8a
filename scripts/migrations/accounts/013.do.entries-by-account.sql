-- For an account's entries, newest first, page by page. MySQL has no CREATE INDEX IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = 'ledger_entries' AND index_name = 'pages_of_account');
SET @change = IF(@missing, 'ALTER TABLE ledger_entries ADD KEY pages_of_account (account_id, id)', 'DO 0');
PREPARE change_entries FROM @change;
EXECUTE change_entries;
DEALLOCATE PREPARE change_entries;
