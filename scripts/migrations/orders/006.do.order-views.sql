-- Read model, written by the consumer alone from the events of the topic. What `order.created` says is NULL where a
-- later event of the order came first.
CREATE TABLE IF NOT EXISTS order_views (
  order_id     VARBINARY(96) NOT NULL,
  tenant       VARBINARY(16) NOT NULL,
  customer_id  VARBINARY(96) NULL,
  status       ENUM('created','completed','cancelled') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  currency     VARBINARY(3)  NULL,
  amount_minor BIGINT        NULL,
  `lines`      JSON          NULL,
  version      INT UNSIGNED  NOT NULL,
  as_of        DATETIME(3)   NOT NULL,                       -- when the newest event seen was written
  PRIMARY KEY (order_id),
  KEY by_customer (customer_id, order_id)
) ENGINE=InnoDB;
