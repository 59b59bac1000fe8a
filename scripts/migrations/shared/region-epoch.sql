-- Promotions of this region so far. Every write holds a share lock on the row until it commits.
CREATE TABLE IF NOT EXISTS region_epoch (
  id         TINYINT      NOT NULL,
  epoch      INT UNSIGNED NOT NULL,
  region     VARCHAR(16)  NOT NULL,
  changed_at DATETIME(3)  NOT NULL,
  PRIMARY KEY (id),
  CHECK (id = 1)
) ENGINE=InnoDB;
INSERT INTO region_epoch (id, epoch, region, changed_at) VALUES (1, 1, 'a', UTC_TIMESTAMP(3)) AS first
  ON DUPLICATE KEY UPDATE id = first.id;
