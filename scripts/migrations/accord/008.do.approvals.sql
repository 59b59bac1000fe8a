-- What one person has asked for and a second one must approve. Rows go a month after their end; who asked and who
-- approved stands in the audit for good.
CREATE TABLE IF NOT EXISTS approvals (
  id          VARBINARY(26)  NOT NULL,                       -- ULID
  tenant      VARBINARY(16)  NOT NULL,
  kind        VARBINARY(32)  NOT NULL,
  gid         VARBINARY(128) NULL,                           -- the transaction that it is about
  version     INT UNSIGNED   NULL,                           -- of its row as the asker saw it: void once it has moved
  action      JSON           NOT NULL,                       -- what will be done, as it was asked for
  rule        VARBINARY(32)  NOT NULL,                       -- why it wants two persons
  asked_by    VARBINARY(128) NOT NULL,
  asked_at    DATETIME(3)    NOT NULL,
  expires_at  DATETIME(3)    NOT NULL,
  open_digest BINARY(32)     NULL,                           -- of asker and action: asked twice it is one. NULL once closed
  state       ENUM('pending','approved','done','rejected','void')
              CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending',
  decided_by  VARBINARY(128) NULL,
  decided_at  DATETIME(3)    NULL,
  note        VARCHAR(500) CHARACTER SET utf8mb4 NULL,
  closed_at   DATETIME(3)    NULL,                           -- carried out, rejected, or found void
  PRIMARY KEY (id),
  UNIQUE KEY one_open (open_digest),
  KEY by_tenant (tenant, id),
  KEY waiting (tenant, state, expires_at),
  KEY by_end (expires_at),
  CHECK ((state = 'pending') = (decided_by IS NULL)),
  CHECK (state IN ('pending', 'rejected') OR decided_by <> asked_by)  -- whatever a process thinks
) ENGINE=InnoDB;
