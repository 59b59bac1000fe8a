-- What one effect set aside, by line. `stock.frozen` and `stock.sold` are the sums of the rows in that state.
CREATE TABLE IF NOT EXISTS reservations (
  gid        VARBINARY(128) NOT NULL,
  branch     VARBINARY(64)  NOT NULL,
  sku        VARBINARY(96)  NOT NULL,
  qty        INT            NOT NULL,
  state      ENUM('frozen','sold','released') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'frozen',
  updated_at DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (gid, branch, sku),
  KEY by_sku (sku, state, qty),                              -- covers the check of stock against reservations
  CHECK (qty > 0)
) ENGINE=InnoDB;
