-- Written by readiness checks: a ping stays green while commits hang, a write does not. One row a role.
CREATE TABLE IF NOT EXISTS heartbeats (
  role VARBINARY(32) NOT NULL,
  at   DATETIME(3)   NOT NULL,
  PRIMARY KEY (role)
) ENGINE=InnoDB;
