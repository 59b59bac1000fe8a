-- A coupon may belong to one customer; NULL: to whoever has it. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'coupons' AND column_name = 'customer_id');
SET @change = IF(@missing, 'ALTER TABLE coupons ADD COLUMN customer_id VARBINARY(96) NULL AFTER tenant', 'DO 0');
PREPARE change_coupons FROM @change;
EXECUTE change_coupons;
DEALLOCATE PREPARE change_coupons;

-- The piece that one effect set aside. `coupons.frozen` and `coupons.used` are the counts of the rows in that state.
CREATE TABLE IF NOT EXISTS coupon_reservations (
  gid        VARBINARY(128) NOT NULL,
  branch     VARBINARY(64)  NOT NULL,
  coupon_id  VARBINARY(96)  NOT NULL,
  state      ENUM('frozen','used','released') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'frozen',
  updated_at DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (gid, branch),
  KEY by_coupon (coupon_id, state)                           -- covers the check of coupons against reservations
) ENGINE=InnoDB;
