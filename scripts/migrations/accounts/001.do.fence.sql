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

-- Event rows, written in the SQL transaction of their effect; the relay brings them to Kafka.
CREATE TABLE IF NOT EXISTS outbox (
  id           BIGINT UNSIGNED  NOT NULL AUTO_INCREMENT,
  event_id     VARBINARY(255)   NOT NULL,             -- <gid>/<branch>/<op>/<n>
  gid          VARBINARY(128)   NOT NULL,
  branch       VARBINARY(64)    NOT NULL,
  op           VARBINARY(32)    NOT NULL,             -- act, confirm, undo; in accord the move of a run
  topic        VARBINARY(64)    NOT NULL,
  type         VARBINARY(64)    NOT NULL,             -- past tense: stock.reserved
  aggregate_id VARBINARY(200)   NOT NULL,
  sequence     INT UNSIGNED     NOT NULL,             -- rises within the aggregate
  partition_no TINYINT UNSIGNED NOT NULL DEFAULT (CRC32(aggregate_id) % 16), -- stored: what relays share out among them
  payload      JSON             NOT NULL,             -- the event's data; the relay wraps it in its envelope
  traceparent  VARBINARY(64)    NULL,
  epoch        INT UNSIGNED     NOT NULL,
  created_at   DATETIME(3)      NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  published_at DATETIME(3)      NULL,
  PRIMARY KEY (id),
  UNIQUE KEY one_event (event_id),
  KEY by_effect (gid, branch, op),
  KEY unpublished (published_at, partition_no, id)
) ENGINE=InnoDB;

-- A relay that holds the lease of a partition is the only one that publishes its events.
CREATE TABLE IF NOT EXISTS outbox_leases (
  partition_no TINYINT UNSIGNED NOT NULL,
  owner        VARBINARY(128)   NULL,
  lease_until  DATETIME(3)      NOT NULL DEFAULT '1970-01-01 00:00:00.000',
  generation   INT UNSIGNED     NOT NULL DEFAULT 0,   -- grows with each new owner
  PRIMARY KEY (partition_no)
) ENGINE=InnoDB;
INSERT INTO outbox_leases (partition_no)
  VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9),(10),(11),(12),(13),(14),(15) AS leases
  ON DUPLICATE KEY UPDATE partition_no = leases.partition_no;
