CREATE TABLE IF NOT EXISTS orders (
  order_id     VARBINARY(96)  NOT NULL,                      -- <tenant>.<order>
  customer_id  VARBINARY(96)  NOT NULL,
  gid          VARBINARY(128) NOT NULL,                      -- the effect that created it
  branch       VARBINARY(64)  NOT NULL,
  status       ENUM('created','completed','cancelled') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'created',
  currency     VARBINARY(3)   NOT NULL,
  amount_minor BIGINT         NOT NULL,
  version      INT UNSIGNED   NOT NULL DEFAULT 1,            -- newest event of its stream
  created_at   DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at   DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (order_id),
  KEY by_effect (gid, branch),
  CHECK (amount_minor > 0)
) ENGINE=InnoDB;
