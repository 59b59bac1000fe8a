-- include shared/participant.sql

-- Cents of EUR: `free` may be spent, `held` is set aside for trips.
CREATE TABLE IF NOT EXISTS accounts (
  id      VARBINARY(96) NOT NULL PRIMARY KEY,      -- <tenant>.<account>
  opening BIGINT        NOT NULL DEFAULT 0,
  free    BIGINT        NOT NULL DEFAULT (opening) CHECK (free >= 0),
  held    BIGINT        NOT NULL DEFAULT 0 CHECK (held >= 0)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS holds (
  gid    VARBINARY(128) NOT NULL,
  branch VARBINARY(64)  NOT NULL,
  id     VARBINARY(96)  NOT NULL,
  amount BIGINT         NOT NULL,
  state  VARBINARY(8)   NOT NULL DEFAULT 'held',   -- held, taken, free
  PRIMARY KEY (gid, branch)
) ENGINE=InnoDB;

-- Samples: travellers with 1,000.00 EUR each, and agencies.
INSERT IGNORE INTO accounts (id, opening)
  WITH RECURSIVE one AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM one WHERE n < 400)
  SELECT CONCAT('demo.A-', n), 100000 FROM one UNION ALL SELECT CONCAT('demo.agency-', n), 0 FROM one;
