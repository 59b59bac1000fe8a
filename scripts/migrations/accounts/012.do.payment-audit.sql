-- One row for each change of a payment or its refunds, chained within the payment: `hash` covers the row and
-- `prev_hash`, the payment holds the last of them. Append-only: the user of the workers may neither change nor delete.
CREATE TABLE IF NOT EXISTS payment_audit (
  payment_id VARBINARY(96)  NOT NULL,
  seq        INT UNSIGNED   NOT NULL,                        -- from 1, without gaps
  at         DATETIME(3)    NOT NULL,
  actor      VARBINARY(128) NOT NULL,
  what       VARBINARY(64)  NOT NULL,
  details    JSON           NOT NULL,                        -- money as digit strings
  prev_hash  BINARY(32)     NOT NULL,
  hash       BINARY(32)     NOT NULL,
  PRIMARY KEY (payment_id, seq)
) ENGINE=InnoDB;
