-- Written by the hub along the way that clients take, replicated like any row: how far a standby is behind, in time, and
-- how much of what was acknowledged it has.
CREATE TABLE IF NOT EXISTS heartbeat (
  source VARBINARY(32)   NOT NULL,
  seq    BIGINT UNSIGNED NOT NULL,
  at_us  BIGINT          NOT NULL,
  epoch  INT UNSIGNED    NOT NULL,
  PRIMARY KEY (source)
) ENGINE=InnoDB;
