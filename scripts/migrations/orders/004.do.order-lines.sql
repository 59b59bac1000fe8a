CREATE TABLE IF NOT EXISTS order_lines (
  order_id         VARBINARY(96)     NOT NULL,
  line_no          SMALLINT UNSIGNED NOT NULL,               -- from 1, in the caller's order
  sku              VARBINARY(96)     NOT NULL,
  qty              INT               NOT NULL,
  unit_price_minor BIGINT            NOT NULL,
  currency         VARBINARY(3)      NOT NULL,
  PRIMARY KEY (order_id, line_no),
  CHECK (qty > 0),
  CHECK (unit_price_minor > 0)
) ENGINE=InnoDB;
