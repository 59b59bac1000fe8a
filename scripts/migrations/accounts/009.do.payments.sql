-- The legal moves of a payment, as in contracts/participants/payments.ts: a test compares both.
CREATE TABLE IF NOT EXISTS payment_transitions (
  from_status VARBINARY(16) NOT NULL,
  to_status   VARBINARY(16) NOT NULL,
  PRIMARY KEY (from_status, to_status)
) ENGINE=InnoDB;
INSERT INTO payment_transitions (from_status, to_status) VALUES
    ('pending', 'review'),
    ('pending', 'authorised'),
    ('pending', 'declined'),
    ('pending', 'failed'),
    ('review', 'authorised'),
    ('review', 'declined'),
    ('review', 'failed'),
    ('authorised', 'completed'),
    ('authorised', 'failed')
  AS legal ON DUPLICATE KEY UPDATE to_status = legal.to_status;

CREATE TABLE IF NOT EXISTS payments (
  payment_id   VARBINARY(96)  NOT NULL,                      -- <tenant>.<id>
  tenant       VARBINARY(16)  NOT NULL,
  payer_id     VARBINARY(96)  NOT NULL,
  payee_id     VARBINARY(96)  NOT NULL,
  currency     VARBINARY(3)   NOT NULL,
  amount       BIGINT         NOT NULL,
  description  VARCHAR(140)   NULL,
  status       ENUM('pending','review','authorised','completed','declined','failed') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending',
  captured     BIGINT         NOT NULL DEFAULT 0,
  refunding    BIGINT         NOT NULL DEFAULT 0,            -- set aside by refunds that are under way
  refunded     BIGINT         NOT NULL DEFAULT 0,
  requested_by VARBINARY(128) NOT NULL,
  gid          VARBINARY(128) NOT NULL,
  branch       VARBINARY(64)  NOT NULL,                      -- of openPayment
  hold_branch  VARBINARY(64)  NULL,                          -- of authorisePayment: its hold
  audit_seq    INT UNSIGNED   NOT NULL DEFAULT 0,            -- last entry of payment_audit and its hash:
  audit_head   BINARY(32)     NOT NULL DEFAULT (UNHEX(REPEAT('00', 32))), -- entries cut off at the end are missed
  created_at   DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at   DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (payment_id),
  KEY by_effect (gid, branch),
  KEY by_payer (payer_id, created_at, payment_id, status),   -- covers the velocity that is counted without Redis
  KEY by_pair (payer_id, payee_id, status),                  -- has this payer ever paid this payee?
  CHECK (amount > 0),
  CHECK (captured IN (0, amount)),
  CHECK ((status = 'completed') = (captured > 0)),
  CHECK (refunding >= 0),
  CHECK (refunded >= 0),
  CHECK (refunding + refunded <= captured)
) ENGINE=InnoDB;

-- Whoever writes, and by whatever statement: a payment begins as pending and moves as the table above allows.
CREATE TRIGGER IF NOT EXISTS payments_begin BEFORE INSERT ON payments FOR EACH ROW
BEGIN
  IF NEW.status <> 'pending' THEN
    SIGNAL SQLSTATE '23000' SET MESSAGE_TEXT = 'A payment begins as pending.';
  END IF;
END;
CREATE TRIGGER IF NOT EXISTS payments_move BEFORE UPDATE ON payments FOR EACH ROW
BEGIN
  IF NEW.status <> OLD.status AND NOT EXISTS (
    SELECT 1 FROM payment_transitions
      WHERE from_status = CAST(OLD.status AS BINARY) AND to_status = CAST(NEW.status AS BINARY)
  ) THEN
    SIGNAL SQLSTATE '23000' SET MESSAGE_TEXT = 'No legal move of a payment.';
  END IF;
END;
