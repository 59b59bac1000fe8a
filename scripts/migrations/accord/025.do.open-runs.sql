-- For the recovery of lost runs: open rows alone, by gid (the primary key ends each index). MySQL has no CREATE INDEX IF
-- NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = 'runs' AND index_name = 'by_end');
SET @change = IF(@missing, 'ALTER TABLE runs ADD KEY by_end (ended_at)', 'DO 0');
PREPARE change_runs FROM @change;
EXECUTE change_runs;
DEALLOCATE PREPARE change_runs;
