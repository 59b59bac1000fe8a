-- Pieces of one coupon: each is free, set aside for an order, or used; each takes the same amount off the price.
CREATE TABLE IF NOT EXISTS coupons (
  id                VARBINARY(96) NOT NULL,                  -- <tenant>.<coupon>
  tenant            VARBINARY(16) NOT NULL,
  total             INT           NOT NULL,
  available         INT           NOT NULL,
  frozen            INT           NOT NULL DEFAULT 0,
  used              INT           NOT NULL DEFAULT 0,
  discount_currency VARBINARY(3)  NOT NULL,
  discount_minor    BIGINT        NOT NULL,
  expires_at        DATETIME(3)   NOT NULL,
  PRIMARY KEY (id),
  CHECK (available >= 0),
  CHECK (frozen >= 0),
  CHECK (used >= 0),
  CHECK (available + frozen + used = total),
  CHECK (discount_minor > 0)
) ENGINE=InnoDB;
