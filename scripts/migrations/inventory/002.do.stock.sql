-- Pieces of one SKU: each is free, set aside for an order, or sold. The CHECKs are the last guard of every relative
-- update: a wrong decision is error 3819, never a negative row. Signed, since an unsigned underflow is another error.
CREATE TABLE IF NOT EXISTS stock (
  sku       VARBINARY(96) NOT NULL,                          -- <tenant>.<sku>
  tenant    VARBINARY(16) NOT NULL,
  total     INT           NOT NULL,
  available INT           NOT NULL,
  frozen    INT           NOT NULL DEFAULT 0,
  sold      INT           NOT NULL DEFAULT 0,
  PRIMARY KEY (sku),
  CHECK (available >= 0),
  CHECK (frozen >= 0),
  CHECK (sold >= 0),
  CHECK (available + frozen + sold = total)
) ENGINE=InnoDB;
