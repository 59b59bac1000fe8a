-- Money that a debit will bring: promised by a try, credited by its confirm. Nothing is set aside for it.
CREATE TABLE IF NOT EXISTS credits (
  gid        VARBINARY(128) NOT NULL,
  branch     VARBINARY(64)  NOT NULL,
  account_id VARBINARY(96)  NOT NULL,                        -- gains
  source_id  VARBINARY(96)  NOT NULL,                        -- pays: the clearing account that the debit fills
  currency   VARBINARY(3)   NOT NULL,
  amount     BIGINT         NOT NULL,
  state      ENUM('reserved','credited','released') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'reserved',
  created_at DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (gid, branch),
  CHECK (amount > 0)
) ENGINE=InnoDB;
