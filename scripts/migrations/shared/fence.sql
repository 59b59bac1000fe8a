-- MySQL commits each DDL statement by itself: every statement of a migration can be run again, for one that was cut off.

-- One row decides duplicates, empty undos and late acts of one effect (docs/guarantees.md). No other UNIQUE key, ever.
CREATE TABLE IF NOT EXISTS fence (
  gid           VARBINARY(128) NOT NULL,
  branch        VARBINARY(64)  NOT NULL,              -- stable step name from workflow code; never an activity id, attempt or run id
  state         ENUM('acted','confirmed','undone','empty','refused') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  reserves      TINYINT(1)     NOT NULL DEFAULT 0,    -- 1: the act only reserves (TCC try, hold): it must end confirmed or undone
  attempt_token BINARY(16)     NOT NULL,              -- random, of the SQL transaction that inserted the row
  content_hash  BINARY(32)     NULL,                  -- SHA-256 of the act's input in canonical form
  deliveries    INT UNSIGNED   NOT NULL DEFAULT 1,    -- committed arrivals of act and undo: evidence that duplicates really happened
  result        JSON           NULL,                  -- the act's answer; money as digit strings
  reason        VARCHAR(200) CHARACTER SET utf8mb4 NULL,
  amounts       JSON           NULL,                  -- at risk: [{"currency":"EUR","minorUnits":"1250"}] or [{"sku":"A1","quantity":2}]
  epoch         INT UNSIGNED   NOT NULL,
  created_at    DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at    DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  expires_at    DATETIME(3)    NULL,                  -- NULL = protected; only the sweeper sets it, every delivery clears it
  PRIMARY KEY (gid, branch),
  KEY sweep (expires_at, created_at)
) ENGINE=InnoDB;
