-- Money of one owner in one currency: `balance` is free, `held` is set aside; both together are the sum of its entries.
-- The CHECKs are the last guard of every relative update: a wrong decision is error 3819, never a negative row. Only
-- the outside world and its like may be negative, or the books could never sum to zero.
CREATE TABLE IF NOT EXISTS accounts (
  id         VARBINARY(96) NOT NULL,                         -- <tenant>.<account>
  tenant     VARBINARY(16) NOT NULL,
  kind       ENUM('customer','merchant','clearing','external') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  currency   VARBINARY(3)  NOT NULL,
  balance    BIGINT        NOT NULL DEFAULT 0,
  held       BIGINT        NOT NULL DEFAULT 0,
  status     ENUM('open','closed') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'open',
  created_at DATETIME(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  CHECK (held >= 0),
  CHECK (kind <> 'customer' OR balance >= 0)
) ENGINE=InnoDB;
