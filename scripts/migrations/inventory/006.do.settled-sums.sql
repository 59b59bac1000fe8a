-- What is sold of a SKU for good, for reconciliation: what came since is all that a round has to sum.
CREATE TABLE IF NOT EXISTS stock_sums (
  sku       VARBINARY(96) NOT NULL,
  until     DATETIME(3)   NOT NULL,                          -- reservations that changed up to then are in it
  sold      BIGINT        NOT NULL,
  PRIMARY KEY (sku)
) ENGINE=InnoDB;

-- How far reconciliation has looked: effects, in their order, and stock, each in its turn.
-- include shared/books-position.sql

-- By time within a state. MySQL has no CREATE INDEX IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = 'reservations' AND index_name = 'by_sku' AND column_name = 'updated_at');
SET @change = IF(@missing, 'ALTER TABLE reservations DROP KEY by_sku, ADD KEY by_sku (sku, state, updated_at, qty)', 'DO 0');
PREPARE change_reservations FROM @change;
EXECUTE change_reservations;
DEALLOCATE PREPARE change_reservations;
