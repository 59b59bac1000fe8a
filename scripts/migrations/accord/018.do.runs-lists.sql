-- Each filter of the lists has an index in the order of the lists (the primary key ends each of them), and each count of
-- the health page: what they read is bounded by what they answer, however many rows have ended.
-- MySQL has no CREATE INDEX IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = 'runs' AND index_name = 'by_reference');
SET @change = IF(@missing, 'ALTER TABLE runs
  ADD KEY by_reference (tenant, reference, accepted_at),
  ADD KEY by_flow (tenant, flow, accepted_at),
  ADD KEY by_reason (tenant, reason, accepted_at),
  ADD KEY by_step (tenant, step, accepted_at),
  ADD KEY by_early (tenant, early_status, accepted_at),
  ADD KEY by_risk (tenant, at_risk_currency, accepted_at),
  ADD KEY attention (state, stuck_since),
  ADD KEY unconfirmed_ended (start_confirmed_at, ended_at)', 'DO 0');
PREPARE change_runs FROM @change;
EXECUTE change_runs;
DEALLOCATE PREPARE change_runs;
