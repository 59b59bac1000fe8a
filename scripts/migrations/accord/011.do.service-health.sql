-- How each service of each region answers the hub, now.
CREATE TABLE IF NOT EXISTS service_health (
  cluster    VARBINARY(32)    NOT NULL,
  region     VARBINARY(16)    NOT NULL,
  service    VARBINARY(16)    NOT NULL,                         -- mysql, redis, kafka
  level      ENUM('HEALTHY', 'DEGRADED', 'UNHEALTHY') NOT NULL,
  latency_ms INT UNSIGNED     NULL,                             -- of the last look that was answered
  error_percent TINYINT UNSIGNED NOT NULL,                      -- of the looks of the last minute
  lag_ms     INT UNSIGNED     NULL,                             -- of what follows another region
  last_error VARCHAR(255) CHARACTER SET utf8mb4 NULL,           -- stays when it is over
  seen_at    DATETIME(3)      NOT NULL,
  PRIMARY KEY (cluster, region, service)
) ENGINE=InnoDB;
