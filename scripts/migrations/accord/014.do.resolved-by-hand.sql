-- What persons answered for in the place of a program, as the run ended with it, and who has booked what they left. NULL:
-- nothing, as nearly everywhere. by_hand: something was skipped that nobody has booked, or all is done or booked.
-- MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'runs' AND column_name = 'by_hand');
SET @change = IF(@missing,
  'ALTER TABLE runs ADD COLUMN resolved_by_hand JSON NULL, ADD COLUMN by_hand ENUM(''open'', ''closed'') CHARACTER SET ascii COLLATE ascii_bin NULL, ADD KEY by_hand (by_hand, gid), ADD KEY by_hand_of (tenant, by_hand, accepted_at, gid), ADD CONSTRAINT hands_and_state CHECK ((by_hand IS NULL) = (resolved_by_hand IS NULL) AND (by_hand IS NULL OR ended_at IS NOT NULL))',
  'DO 0');
PREPARE change_runs FROM @change;
EXECUTE change_runs;
DEALLOCATE PREPARE change_runs;
