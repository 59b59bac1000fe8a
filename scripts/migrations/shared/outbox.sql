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
