-- For the expiry of idempotency keys. MySQL has no CREATE INDEX IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = 'runs' AND index_name = 'by_age');
SET @change = IF(@missing, 'ALTER TABLE runs ADD KEY by_age (accepted_at, gid)', 'DO 0');
PREPARE change_runs FROM @change;
EXECUTE change_runs;
DEALLOCATE PREPARE change_runs;
