-- What is used of a coupon for good, for reconciliation: what came since is all that a round has to sum.
CREATE TABLE IF NOT EXISTS coupon_sums (
  coupon_id VARBINARY(96) NOT NULL,
  until     DATETIME(3)   NOT NULL,                          -- reservations that changed up to then are in it
  used      BIGINT        NOT NULL,
  PRIMARY KEY (coupon_id)
) ENGINE=InnoDB;

-- How far reconciliation has looked: effects, in their order, and coupons, each in its turn.
-- include shared/books-position.sql

-- By time within a state. MySQL has no CREATE INDEX IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = 'coupon_reservations' AND index_name = 'by_coupon' AND column_name = 'updated_at');
SET @change = IF(@missing, 'ALTER TABLE coupon_reservations DROP KEY by_coupon, ADD KEY by_coupon (coupon_id, state, updated_at)', 'DO 0');
PREPARE change_reservations FROM @change;
EXECUTE change_reservations;
DEALLOCATE PREPARE change_reservations;
