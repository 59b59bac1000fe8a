-- Who stands behind a credential: whom it speaks for, who made it, who made the maker's. JSON arrays of names in one
-- spelling; NULL: nobody knows. Two of them are other people where they have no name in common.
-- MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'api_keys' AND column_name = 'people');
SET @change = IF(@missing,
  'ALTER TABLE api_keys ADD COLUMN made_by VARBINARY(128) NULL, ADD COLUMN people JSON NULL',
  'DO 0');
PREPARE change_api_keys FROM @change;
EXECUTE change_api_keys;
DEALLOCATE PREPARE change_api_keys;

-- Of whoever started it; [] where a machine did.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'runs' AND column_name = 'requester');
SET @change = IF(@missing, 'ALTER TABLE runs ADD COLUMN requester JSON NULL', 'DO 0');
PREPARE change_runs FROM @change;
EXECUTE change_runs;
DEALLOCATE PREPARE change_runs;

SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'approvals' AND column_name = 'asked_people');
SET @change = IF(@missing,
  'ALTER TABLE approvals ADD COLUMN asked_people JSON NULL, ADD COLUMN decided_people JSON NULL',
  'DO 0');
PREPARE change_approvals FROM @change;
EXECUTE change_approvals;
DEALLOCATE PREPARE change_approvals;

-- What was decided before stays decided, between the two that it names. What still waits was asked by who knows whom:
-- its time is over, and it is asked again.
UPDATE approvals SET asked_people = JSON_ARRAY(LOWER(CONVERT(asked_by USING utf8mb4))),
    decided_people = JSON_ARRAY(LOWER(CONVERT(decided_by USING utf8mb4)))
  WHERE asked_people IS NULL AND decided_by IS NOT NULL;
UPDATE approvals SET expires_at = LEAST(expires_at, UTC_TIMESTAMP(3)), open_digest = NULL
  WHERE asked_people IS NULL AND state = 'pending';

-- Whatever a process thinks.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.table_constraints
  WHERE table_schema = DATABASE() AND table_name = 'approvals' AND constraint_name = 'approvals_of_two');
SET @change = IF(@missing,
  'ALTER TABLE approvals ADD CONSTRAINT approvals_of_two CHECK (state IN (''pending'', ''rejected'') OR (asked_people IS NOT NULL AND decided_people IS NOT NULL AND NOT JSON_OVERLAPS(asked_people, decided_people)))',
  'DO 0');
PREPARE change_approvals FROM @change;
EXECUTE change_approvals;
DEALLOCATE PREPARE change_approvals;
