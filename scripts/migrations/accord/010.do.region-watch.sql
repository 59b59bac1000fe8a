-- What a watch may do by itself. A cluster without a row has the defaults.
CREATE TABLE IF NOT EXISTS watch_policies (
  cluster           VARBINARY(32)     NOT NULL,
  auto_failover     TINYINT(1)        NOT NULL DEFAULT 0,       -- 0: a person approves
  failure_threshold TINYINT UNSIGNED  NOT NULL DEFAULT 3,       -- misses in a row
  unhealthy_ms      INT UNSIGNED      NOT NULL DEFAULT 1500,    -- and for at least so long
  max_attempts      TINYINT UNSIGNED  NOT NULL DEFAULT 2,       -- switches an hour
  priorities        JSON              NOT NULL,                 -- regions, the first target first
  data_sync_seconds TINYINT UNSIGNED  NOT NULL DEFAULT 10,
  changed_at        DATETIME(3)       NOT NULL,
  changed_by        VARBINARY(128)    NOT NULL,
  PRIMARY KEY (cluster)
) ENGINE=InnoDB;

-- What each vantage point sees of each region it looks at, now.
CREATE TABLE IF NOT EXISTS region_sights (
  cluster    VARBINARY(32) NOT NULL,
  region     VARBINARY(16) NOT NULL,
  vantage    VARBINARY(16) NOT NULL,                            -- hub, link
  level      ENUM('HEALTHY', 'DEGRADED', 'UNHEALTHY') NOT NULL,
  latency_ms INT UNSIGNED  NULL,                                -- of the last look that was answered
  lag_ms     INT UNSIGNED  NULL,                                -- of a standby
  last_error VARCHAR(255) CHARACTER SET utf8mb4 NULL,           -- stays when it is over
  seen_at    DATETIME(3)   NOT NULL,
  PRIMARY KEY (cluster, region, vantage)
) ENGINE=InnoDB;

-- What the watch has told or done. Append-only.
CREATE TABLE IF NOT EXISTS watch_events (
  id       BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  event_id VARBINARY(160)  NOT NULL,                            -- the same however often it is delivered
  cluster  VARBINARY(32)   NOT NULL,
  at       DATETIME(3)     NOT NULL,
  kind     VARBINARY(16)   NOT NULL,                            -- page, degrade, ask, failover, resync
  code     VARBINARY(64)   NOT NULL,
  detail   VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY once (event_id),
  KEY newest (cluster, id)
) ENGINE=InnoDB;
