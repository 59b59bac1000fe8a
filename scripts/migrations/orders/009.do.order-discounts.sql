-- What a coupon takes off the sum of the lines. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'orders' AND column_name = 'discount_minor');
SET @change = IF(@missing,
  'ALTER TABLE orders ADD COLUMN discount_minor BIGINT NOT NULL DEFAULT 0 AFTER amount_minor, ADD CHECK (discount_minor >= 0)',
  'DO 0');
PREPARE change_orders FROM @change;
EXECUTE change_orders;
DEALLOCATE PREPARE change_orders;
