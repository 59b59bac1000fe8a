-- For the expiry of idempotency keys: only rows that still have one, by age. The index of all rows by age grew with
-- history, and each round walked it from its beginning. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'runs' AND column_name = 'keyed_at');
SET @change = IF(@missing,
  'ALTER TABLE runs ADD COLUMN keyed_at DATETIME(3) GENERATED ALWAYS AS (IF(idempotency_key IS NULL, NULL, accepted_at)) VIRTUAL, ADD KEY keys_by_age (keyed_at), DROP KEY by_age',
  'DO 0');
PREPARE change_runs FROM @change;
EXECUTE change_runs;
DEALLOCATE PREPARE change_runs;
