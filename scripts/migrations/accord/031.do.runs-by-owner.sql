-- A batch is started again by its workflow id, with all of its rows. An entry moves only
-- where a row leaves its batch.
-- MySQL has no CREATE INDEX IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = 'runs' AND index_name = 'by_owner');
SET @change = IF(@missing, 'ALTER TABLE runs ADD KEY by_owner (owner)', 'DO 0');
PREPARE change_runs FROM @change;
EXECUTE change_runs;
DEALLOCATE PREPARE change_runs;
