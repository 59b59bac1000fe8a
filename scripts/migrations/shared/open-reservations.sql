-- For reconciliation: open reservations are few among all rows without an end. MySQL has no CREATE INDEX IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = 'fence' AND index_name = 'open_reservations');
SET @change = IF(@missing, 'ALTER TABLE fence ADD KEY open_reservations (reserves, state, created_at)', 'DO 0');
PREPARE change_fence FROM @change;
EXECUTE change_fence;
DEALLOCATE PREPARE change_fence;
