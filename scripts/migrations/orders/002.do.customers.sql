-- The one place where the fencing token of a customer's lock is compared: it never decreases.
CREATE TABLE IF NOT EXISTS customers (
  customer_id   VARBINARY(96)   NOT NULL,                    -- <tenant>.<customer>
  fencing_token BIGINT UNSIGNED NOT NULL DEFAULT 0,
  updated_at    DATETIME(3)     NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (customer_id)
) ENGINE=InnoDB;
