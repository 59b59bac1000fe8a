CREATE TABLE IF NOT EXISTS books_position (
  id             TINYINT        NOT NULL,
  effects_at     DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  effects_gid    VARBINARY(128) NOT NULL DEFAULT '',
  effects_branch VARBINARY(64)  NOT NULL DEFAULT '',
  walked_to      VARBINARY(96)  NOT NULL DEFAULT '',
  PRIMARY KEY (id),
  CHECK (id = 1)
) ENGINE=InnoDB;
INSERT INTO books_position (id) VALUES (1) ON DUPLICATE KEY UPDATE id = 1;
