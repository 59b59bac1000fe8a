-- One row a cluster, and the mutex of everything that moves it: begin, degrade and promote exclude each other by
-- compare-and-set. `region` is the active one.
-- sequence numbers failovers, failover:<cluster>.<n>; sync = 1: a commit is acknowledged when a standby has it;
-- holder_gid is who moves the row now. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'cluster_state' AND column_name = 'holder_gid');
SET @change = IF(@missing,
  'ALTER TABLE cluster_state ADD COLUMN sequence INT UNSIGNED NOT NULL DEFAULT 0, ADD COLUMN sync TINYINT(1) NOT NULL DEFAULT 0, ADD COLUMN state ENUM(''steady'', ''failing-over'', ''degraded'') NOT NULL DEFAULT ''steady'', ADD COLUMN holder_gid VARBINARY(128) NULL',
  'DO 0');
PREPARE change_cluster_state FROM @change;
EXECUTE change_cluster_state;
DEALLOCATE PREPARE change_cluster_state;

-- Regions that a cluster has, active one included. A cluster in one place has none.
CREATE TABLE IF NOT EXISTS regions (
  cluster    VARBINARY(32) NOT NULL,
  region     VARBINARY(16) NOT NULL,
  status     ENUM('ACTIVE', 'STANDBY', 'FAILED', 'RECOVERING') NOT NULL,
  priority   TINYINT UNSIGNED NOT NULL,                         -- the lowest standby is the first target
  changed_at DATETIME(3)   NOT NULL,
  PRIMARY KEY (cluster, region)
) ENGINE=InnoDB;

-- The newest write that the active region has acknowledged to the hub: what a standby must have.
CREATE TABLE IF NOT EXISTS cluster_heartbeats (
  cluster         VARBINARY(32) NOT NULL,
  acknowledged_us BIGINT        NOT NULL,
  PRIMARY KEY (cluster)
) ENGINE=InnoDB;
