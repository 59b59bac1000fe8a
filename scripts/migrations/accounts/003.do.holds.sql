-- What one effect set aside. `accounts.held` is the sum of the rows in state held.
CREATE TABLE IF NOT EXISTS holds (
  gid        VARBINARY(128) NOT NULL,
  branch     VARBINARY(64)  NOT NULL,
  account_id VARBINARY(96)  NOT NULL,
  currency   VARBINARY(3)   NOT NULL,
  amount     BIGINT         NOT NULL,
  state      ENUM('held','captured','released') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'held',
  created_at DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (gid, branch),
  KEY open_by_account (state, account_id, amount),           -- covers the check of held against holds
  CHECK (amount > 0)
) ENGINE=InnoDB;
