-- What reconciliation has found between the participants, each subject once. Found again after it was repaired or gone,
-- it is open again.
CREATE TABLE IF NOT EXISTS findings (
  id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  kind        VARBINARY(32)   NOT NULL,
  participant VARBINARY(16)   NOT NULL,
  gid         VARBINARY(128)  NULL,                          -- NULL: no single transaction is to blame
  branch      VARBINARY(64)   NULL,
  subject     VARBINARY(200)  NOT NULL,                      -- step key, gid, account, SKU or coupon
  amounts     JSON            NOT NULL,                      -- at stake; money as digit strings
  detail      VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL,
  state       ENUM('open','repaired','gone') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'open',
  first_seen  DATETIME(3)     NOT NULL,
  last_seen   DATETIME(3)     NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY one_subject (kind, participant, subject),
  KEY by_state (state, kind, last_seen)
) ENGINE=InnoDB;

-- Open rows, for whoever looks after them: few among many. MySQL has no ADD KEY IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = 'runs' AND index_name = 'open_runs');
SET @change = IF(@missing, 'ALTER TABLE runs ADD KEY open_runs (ended_at, gid)', 'DO 0');
PREPARE change_runs FROM @change;
EXECUTE change_runs;
DEALLOCATE PREPARE change_runs;
