-- include shared/participant.sql

-- Seats: each is free, held for a trip, or taken.
CREATE TABLE IF NOT EXISTS flights (
  id    VARBINARY(96) NOT NULL PRIMARY KEY,        -- <tenant>.<flight>
  free  BIGINT        NOT NULL CHECK (free >= 0),
  held  BIGINT        NOT NULL DEFAULT 0 CHECK (held >= 0),
  taken BIGINT        NOT NULL DEFAULT 0 CHECK (taken >= 0)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS holds (
  gid    VARBINARY(128) NOT NULL,
  branch VARBINARY(64)  NOT NULL,
  id     VARBINARY(96)  NOT NULL,
  amount BIGINT         NOT NULL,
  state  VARBINARY(8)   NOT NULL DEFAULT 'held',   -- held, taken, free
  PRIMARY KEY (gid, branch)
) ENGINE=InnoDB;

-- Samples.
INSERT IGNORE INTO flights (id, free) VALUES ('demo.full', 0);
INSERT IGNORE INTO flights (id, free)
  WITH RECURSIVE one AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM one WHERE n < 400)
  SELECT CONCAT('demo.F-', n), 100 FROM one;
