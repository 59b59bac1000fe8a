-- A set of starts is accepted by one INSERT, which passes over rows that are there. This token of the SQL transaction says
-- which rows it has written. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'runs' AND column_name = 'acceptance');
SET @change = IF(@missing,
  'ALTER TABLE runs ADD COLUMN acceptance BINARY(16) NULL, ALGORITHM = INSTANT', 'DO 0');
PREPARE change_runs FROM @change;
EXECUTE change_runs;
DEALLOCATE PREPARE change_runs;
