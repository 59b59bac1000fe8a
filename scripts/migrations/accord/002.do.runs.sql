-- One row is the truth about a transaction towards the outside: claim, run and answer at once.
CREATE TABLE IF NOT EXISTS runs (
  gid                VARBINARY(128) NOT NULL,
  tenant             VARBINARY(16)  NOT NULL,
  flow               VARBINARY(32)  NOT NULL,
  reference          VARBINARY(64)  NOT NULL,
  operation          VARBINARY(64)  NOT NULL,                -- method and route template, scope of the key
  idempotency_key    VARBINARY(255) NULL,                    -- NULL once the key has expired; the row stays for good
  fingerprint        BINARY(32)     NOT NULL,                -- SHA-256 of the canonical request as sent
  field_digests      JSON           NOT NULL,                -- JSON pointer -> keyed digest, to name fields that differ
  input              MEDIUMBLOB     NULL,                    -- validated input, kept until the start is confirmed
  owner              VARBINARY(128) NOT NULL,                -- workflow id that coordinates it: its own gid, or a batch
  start_sent_at      DATETIME(3)    NULL,
  start_confirmed_at DATETIME(3)    NULL,
  state              ENUM('accepted','running','undoing','parked','completed','compensated')
                     CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'accepted',
  step               VARBINARY(64)  NULL,
  reason             VARBINARY(64)  NULL,
  pivot_passed       TINYINT(1)     NOT NULL DEFAULT 0,
  lane               ENUM('single','batch') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'single',
  region             VARBINARY(16)  NOT NULL,
  epoch              INT UNSIGNED   NOT NULL,
  accepted_at        DATETIME(3)    NOT NULL,
  deadline_at        DATETIME(3)    NOT NULL,
  moved_at           BIGINT         NOT NULL DEFAULT 0,      -- workflow time of the last move, ms: a later move wins
  stuck_since        DATETIME(3)    NULL,                    -- best effort; the next move clears it
  version            INT UNSIGNED   NOT NULL DEFAULT 1,
  at_risk            JSON           NOT NULL,
  at_risk_currency   VARBINARY(3)   NULL,                    -- first currency at risk and its sum, for the list's filters
  at_risk_minor      BIGINT         NULL,
  early_status       VARBINARY(32)  NULL,
  ending             MEDIUMBLOB     NULL,                    -- the answer, byte for byte
  ended_at           DATETIME(3)    NULL,                    -- written last, after every participant has answered
  PRIMARY KEY (gid),
  UNIQUE KEY one_key (tenant, operation, idempotency_key),
  KEY newest (tenant, accepted_at, gid),
  KEY by_state (tenant, state, accepted_at),
  KEY unconfirmed (start_confirmed_at, start_sent_at),
  CHECK ((state IN ('completed', 'compensated')) = (ended_at IS NOT NULL)),
  CHECK ((ending IS NULL) = (ended_at IS NULL))
) ENGINE=InnoDB;
