-- The ledger entries of merchant accounts once more, written with them, so that settlements can claim them by state.
CREATE TABLE IF NOT EXISTS merchant_movements (
  id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  gid             VARBINARY(128)  NOT NULL,
  branch          VARBINARY(64)   NOT NULL,
  op              VARBINARY(16)   NOT NULL,
  account_id      VARBINARY(96)   NOT NULL,
  tenant          VARBINARY(16)   NOT NULL,
  currency        VARBINARY(3)    NOT NULL,
  amount          BIGINT          NOT NULL,                  -- with its sign: what the merchant gains
  occurred_at     DATETIME(3)     NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  settlement_id   VARBINARY(96)   NULL,                      -- NULL: open; claimed once, for good
  settlement_page INT UNSIGNED    NULL,
  PRIMARY KEY (id),
  UNIQUE KEY one_movement (gid, branch, op, account_id),
  KEY open_by_day (tenant, currency, settlement_id, occurred_at, id),
  KEY by_page (settlement_id, settlement_page, account_id),
  KEY by_account (account_id, amount),
  CHECK (amount <> 0),
  CHECK ((settlement_id IS NULL) = (settlement_page IS NULL))
) ENGINE=InnoDB;
