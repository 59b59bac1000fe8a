-- A record that a consumer could not apply, whole, so that it can be sent again. Delivered again, it keeps its row.
CREATE TABLE IF NOT EXISTS dead_letters (
  id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  consumer     VARBINARY(64)   NOT NULL,
  topic        VARBINARY(249)  NOT NULL,
  partition_no INT UNSIGNED    NOT NULL,
  offset_no    BIGINT UNSIGNED NOT NULL,
  event_id     VARBINARY(255)  NULL,
  error        VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL,
  attempts     INT UNSIGNED    NOT NULL,
  payload      MEDIUMBLOB      NULL,
  at           DATETIME(3)     NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY one_record (consumer, topic, partition_no, offset_no)
) ENGINE=InnoDB;
