-- What goes back of a completed payment. `payments.refunding` is the sum of the reserved ones, `refunded` of the completed.
CREATE TABLE IF NOT EXISTS refunds (
  refund_id    VARBINARY(96)  NOT NULL,                      -- <tenant>.<id>
  payment_id   VARBINARY(96)  NOT NULL,
  tenant       VARBINARY(16)  NOT NULL,
  payee_id     VARBINARY(96)  NOT NULL,                      -- of the payment: who gives back
  payer_id     VARBINARY(96)  NOT NULL,                      -- of the payment: who gets it
  currency     VARBINARY(3)   NOT NULL,
  amount       BIGINT         NOT NULL,
  kind         ENUM('refund','chargeback') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  reason       VARCHAR(140)   NOT NULL,
  state        ENUM('reserved','completed','cancelled') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'reserved',
  requested_by VARBINARY(128) NOT NULL,
  gid          VARBINARY(128) NOT NULL,
  branch       VARBINARY(64)  NOT NULL,                      -- of reserveRefund: its hold
  created_at   DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at   DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (refund_id),
  KEY by_effect (gid, branch),
  KEY by_payment (payment_id, state, amount),                -- covers the check of both sums
  CHECK (amount > 0)
) ENGINE=InnoDB;
