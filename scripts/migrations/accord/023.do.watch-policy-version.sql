-- Two persons arm a watch, and approve what the first one has seen: the policy with this version, and no later one.
-- `approval` is who says that it has been carried out. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'watch_policies' AND column_name = 'version');
SET @change = IF(@missing,
  'ALTER TABLE watch_policies ADD COLUMN version INT UNSIGNED NOT NULL DEFAULT 1, ADD COLUMN approval VARBINARY(26) NULL',
  'DO 0');
PREPARE change_watch_policies FROM @change;
EXECUTE change_watch_policies;
DEALLOCATE PREPARE change_watch_policies;
