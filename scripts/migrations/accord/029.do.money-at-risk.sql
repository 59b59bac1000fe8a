-- The list of runs with money at risk, of whatever currency, is one range of one index: by_risk has one for each currency,
-- and there are as many as ISO 4217 has. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'runs' AND column_name = 'has_money_at_risk');
SET @change = IF(@missing, 'ALTER TABLE runs
  ADD COLUMN has_money_at_risk BOOLEAN AS (at_risk_currency IS NOT NULL) VIRTUAL,
  ADD KEY by_money_at_risk (tenant, has_money_at_risk, accepted_at)', 'DO 0');
PREPARE change_runs FROM @change;
EXECUTE change_runs;
DEALLOCATE PREPARE change_runs;
