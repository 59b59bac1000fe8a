-- An order that its coupon makes free costs nothing. MySQL has no DROP CHECK IF EXISTS.
SET @old = (SELECT COUNT(*) = 1 FROM information_schema.table_constraints
  WHERE table_schema = DATABASE() AND table_name = 'orders' AND constraint_name = 'orders_chk_1');
SET @new = (SELECT COUNT(*) = 0 FROM information_schema.table_constraints
  WHERE table_schema = DATABASE() AND table_name = 'orders' AND constraint_name = 'free_by_discount_alone');
SET @change = CASE WHEN @new THEN CONCAT(
    'ALTER TABLE orders ADD CONSTRAINT free_by_discount_alone CHECK (amount_minor > 0 OR (amount_minor = 0 AND discount_minor > 0))',
    IF(@old, ', DROP CHECK orders_chk_1', '')) ELSE 'DO 0' END;
PREPARE change_orders FROM @change;
EXECUTE change_orders;
DEALLOCATE PREPARE change_orders;
