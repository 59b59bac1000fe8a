-- Whose databases, namespace, keys and topics these are: made once, by the first migration, and never again. A copy of
-- the database is the same installation until `npm run installation -- renew`.
CREATE TABLE IF NOT EXISTS installation (
  one        TINYINT UNSIGNED NOT NULL DEFAULT 1,
  id         VARBINARY(15)    NOT NULL,                         -- 15 hexadecimal digits: Kafka keeps it as a number of 63 bits
  created_at DATETIME(3)      NOT NULL,
  PRIMARY KEY (one),
  CONSTRAINT installation_is_one CHECK (one = 1)
) ENGINE=InnoDB;

INSERT IGNORE INTO installation (one, id, created_at)
  VALUES (1, LOWER(LEFT(HEX(RANDOM_BYTES(8)), 15)), UTC_TIMESTAMP(3));
