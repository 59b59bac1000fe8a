-- The API key that a question to a second person was asked with: void once that is revoked or expired. NULL: a person's
-- token, the watch, or older than this is written down. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'approvals' AND column_name = 'asked_with');
SET @change = IF(@missing, 'ALTER TABLE approvals ADD COLUMN asked_with VARBINARY(64) NULL', 'DO 0');
PREPARE change_approvals FROM @change;
EXECUTE change_approvals;
DEALLOCATE PREPARE change_approvals;
