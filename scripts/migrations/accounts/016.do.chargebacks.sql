-- What the payer's bank has demanded, apart from refunds: it may pass what was captured, and refunds may not. MySQL has no
-- ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'payments' AND column_name = 'charged_back');
SET @change = IF(@missing,
  'ALTER TABLE payments
     ADD COLUMN charging_back BIGINT NOT NULL DEFAULT 0 AFTER refunded,  -- set aside by chargebacks that are under way
     ADD COLUMN charged_back  BIGINT NOT NULL DEFAULT 0 AFTER charging_back,
     ADD CONSTRAINT charging_back_not_negative CHECK (charging_back >= 0),
     ADD CONSTRAINT charged_back_not_negative CHECK (charged_back >= 0)', 'DO 0');
PREPARE change_payments FROM @change;
EXECUTE change_payments;
DEALLOCATE PREPARE change_payments;

-- Chargebacks that were counted among the refunds.
UPDATE payments p
  JOIN (SELECT payment_id,
               SUM(IF(kind = 'chargeback' AND state = 'reserved', amount, 0)) AS charging_back,
               SUM(IF(kind = 'chargeback' AND state = 'completed', amount, 0)) AS charged_back,
               SUM(IF(kind = 'refund' AND state = 'reserved', amount, 0)) AS refunding,
               SUM(IF(kind = 'refund' AND state = 'completed', amount, 0)) AS refunded
          FROM refunds GROUP BY payment_id HAVING SUM(kind = 'chargeback') > 0) r ON r.payment_id = p.payment_id
  SET p.charging_back = r.charging_back, p.charged_back = r.charged_back, p.refunding = r.refunding,
      p.refunded = r.refunded;
