-- Accounts that neither pay nor are paid.
CREATE TABLE IF NOT EXISTS blocked_accounts (
  account_id VARBINARY(96) NOT NULL,                         -- <tenant>.<account>
  reason     VARCHAR(200)  NOT NULL,
  since      DATETIME(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (account_id)
) ENGINE=InnoDB;

-- What the rules said to a payment, by the effect that asked. Never changed but for its state: undone is `cleared`.
CREATE TABLE IF NOT EXISTS risk_assessments (
  gid         VARBINARY(128) NOT NULL,
  branch      VARBINARY(64)  NOT NULL,
  payment_id  VARBINARY(96)  NOT NULL,
  tenant      VARBINARY(16)  NOT NULL,
  decision    ENUM('approve','review','decline') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  score       INT UNSIGNED   NOT NULL,
  reasons     JSON           NOT NULL,                       -- [{"rule":"velocity","severity":"warning","score":50,"detail":"..."}]
  policy      JSON           NOT NULL,                       -- the thresholds that were in force
  allowance   VARBINARY(160) NOT NULL,                       -- the payer's window that the payment counts in
  taken       TINYINT(1)     NOT NULL,                       -- 1: it was within the allowance and took one of it
  counted_in  ENUM('redis','mysql') CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- mysql: Redis was away
  state       ENUM('standing','cleared') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'standing',
  created_at  DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at  DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (gid, branch),
  KEY by_payment (payment_id),
  KEY by_allowance (allowance, state, taken)                 -- covers the rebuild of the counter in Redis
) ENGINE=InnoDB;

-- What a person decided on a payment in review. Undone is `withdrawn`.
CREATE TABLE IF NOT EXISTS payment_reviews (
  gid        VARBINARY(128) NOT NULL,
  branch     VARBINARY(64)  NOT NULL,
  payment_id VARBINARY(96)  NOT NULL,
  decision   ENUM('approve','reject') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  decided_by VARBINARY(128) NOT NULL,
  note       VARCHAR(500)   NULL,
  state      ENUM('standing','withdrawn') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'standing',
  created_at DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (gid, branch),
  KEY by_payment (payment_id)
) ENGINE=InnoDB;
