-- include shared/fence.sql

-- The authority on regions: which one is active, and how often one was promoted. `accord` itself is in no region.
CREATE TABLE IF NOT EXISTS cluster_state (
  cluster    VARBINARY(32) NOT NULL,
  region     VARBINARY(16) NOT NULL,
  epoch      INT UNSIGNED  NOT NULL,
  changed_at DATETIME(3)   NOT NULL,
  PRIMARY KEY (cluster)
) ENGINE=InnoDB;
INSERT INTO cluster_state (cluster, region, epoch, changed_at) VALUES ('main', 'a', 1, UTC_TIMESTAMP(3)) AS first
  ON DUPLICATE KEY UPDATE cluster = first.cluster;

-- include shared/outbox.sql
