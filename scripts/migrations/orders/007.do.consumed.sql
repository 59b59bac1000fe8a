-- An event that a consumer has applied, written in the SQL transaction of the effect.
CREATE TABLE IF NOT EXISTS consumed (
  consumer    VARBINARY(64)  NOT NULL,
  event_id    VARBINARY(255) NOT NULL,
  consumed_at DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (consumer, event_id)
) ENGINE=InnoDB;
