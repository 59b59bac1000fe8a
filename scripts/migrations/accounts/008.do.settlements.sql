CREATE TABLE IF NOT EXISTS settlements (
  settlement_id VARBINARY(96)  NOT NULL,                     -- <tenant>.<currency>-<day>
  tenant        VARBINARY(16)  NOT NULL,
  currency      VARBINARY(3)   NOT NULL,
  day           DATE           NOT NULL,                     -- UTC
  closes_at     DATETIME(3)    NOT NULL,                     -- end of the day: what occurred before it is claimed
  state         ENUM('open','closed') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'open',
  pages         INT UNSIGNED   NOT NULL DEFAULT 0,
  movements     INT UNSIGNED   NOT NULL DEFAULT 0,
  credited      BIGINT         NOT NULL DEFAULT 0,
  debited       BIGINT         NOT NULL DEFAULT 0,
  requested_by  VARBINARY(128) NOT NULL,
  gid           VARBINARY(128) NOT NULL,
  opened_at     DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  closed_at     DATETIME(3)    NULL,
  PRIMARY KEY (settlement_id),
  KEY by_tenant (tenant, day, currency),
  CHECK (credited >= 0),
  CHECK (debited >= 0),
  CHECK ((state = 'closed') = (closed_at IS NOT NULL))
) ENGINE=InnoDB;

-- What each merchant is owed by a settlement, or owes.
CREATE TABLE IF NOT EXISTS settlement_positions (
  settlement_id VARBINARY(96) NOT NULL,
  account_id    VARBINARY(96) NOT NULL,
  currency      VARBINARY(3)  NOT NULL,
  movements     INT UNSIGNED  NOT NULL DEFAULT 0,
  credited      BIGINT        NOT NULL DEFAULT 0,            -- sum of what came in
  debited       BIGINT        NOT NULL DEFAULT 0,            -- sum of what went out: refunds, chargebacks
  net           BIGINT        NOT NULL DEFAULT 0,
  PRIMARY KEY (settlement_id, account_id),
  CHECK (credited >= 0),
  CHECK (debited >= 0),
  CHECK (net = credited - debited)
) ENGINE=InnoDB;
