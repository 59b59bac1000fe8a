-- One row for each changing call, chained: `hash` covers the row and `prev_hash`. Append-only.
CREATE TABLE IF NOT EXISTS audit (
  id        BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  at        DATETIME(3)     NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  tenant    VARBINARY(16)   NOT NULL,
  actor     VARBINARY(128)  NOT NULL,
  operation VARBINARY(64)   NOT NULL,
  gid       VARBINARY(128)  NULL,
  request   JSON            NOT NULL,                        -- digest of the body, evidence of a decision
  outcome   VARBINARY(64)   NOT NULL,
  prev_hash BINARY(32)      NOT NULL,
  hash      BINARY(32)      NOT NULL,
  PRIMARY KEY (id),
  KEY by_tenant (tenant, id)
) ENGINE=InnoDB;
