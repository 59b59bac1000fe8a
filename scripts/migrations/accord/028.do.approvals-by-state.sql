-- Pages of approvals by what is stored of their state, newest first; the index by tenant alone made a list of one state walk
-- the whole month. MySQL has no CREATE INDEX IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = 'approvals' AND index_name = 'by_state');
SET @change = IF(@missing, 'ALTER TABLE approvals DROP KEY by_tenant, ADD KEY by_state (tenant, state, id)', 'DO 0');
PREPARE change_approvals FROM @change;
EXECUTE change_approvals;
DEALLOCATE PREPARE change_approvals;
