-- To which installation this database belongs: the id that `accord` bears, written when the databases are provisioned.
CREATE TABLE IF NOT EXISTS installation (
  one        TINYINT UNSIGNED NOT NULL DEFAULT 1,
  id         VARBINARY(15)    NOT NULL,
  created_at DATETIME(3)      NOT NULL,
  PRIMARY KEY (one),
  CONSTRAINT installation_is_one CHECK (one = 1)
) ENGINE=InnoDB;
