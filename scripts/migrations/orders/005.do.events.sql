-- The event store: one stream an order, without gaps. The key is what refuses a second event of the same version.
CREATE TABLE IF NOT EXISTS events (
  aggregate_id VARBINARY(96)  NOT NULL,                      -- the order
  version      INT UNSIGNED   NOT NULL,
  type         VARBINARY(64)  NOT NULL,
  gid          VARBINARY(128) NOT NULL,
  branch       VARBINARY(64)  NOT NULL,
  data         JSON           NOT NULL,
  created_at   DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (aggregate_id, version)
) ENGINE=InnoDB;
