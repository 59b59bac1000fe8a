-- Whom the confirm of a debit pays; NULL where a pivot says it. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'holds' AND column_name = 'payee_id');
SET @change = IF(@missing, 'ALTER TABLE holds ADD COLUMN payee_id VARBINARY(96) NULL AFTER account_id', 'DO 0');
PREPARE change_holds FROM @change;
EXECUTE change_holds;
DEALLOCATE PREPARE change_holds;
