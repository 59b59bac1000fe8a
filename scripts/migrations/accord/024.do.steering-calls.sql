-- Calls of operators by their Idempotency-Key: a call that is sent again is answered as before. Rows go after a day.
CREATE TABLE IF NOT EXISTS steering_calls (
  digest      BINARY(32)   NOT NULL,                         -- of realm, tenant, subject, operation and key
  request     BINARY(32)   NOT NULL,                         -- fingerprint of what was asked
  fields      JSON         NOT NULL,                         -- keyed digest of each field, to name those that differ
  claim       BINARY(16)   NOT NULL,                         -- of the process that answers it
  claimed_at  DATETIME(3)  NOT NULL,
  status      SMALLINT UNSIGNED NULL,                        -- NULL: not answered yet
  answer      MEDIUMTEXT CHARACTER SET utf8mb4 NULL,
  expires_at  DATETIME(3)  NOT NULL,
  PRIMARY KEY (digest),
  KEY by_end (expires_at),
  CHECK ((status IS NULL) = (answer IS NULL))
) ENGINE=InnoDB;
