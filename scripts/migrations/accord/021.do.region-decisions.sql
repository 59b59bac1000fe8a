-- Whether a switch or rejoin of regions has passed its point of no return: one row a gid, written once, in the SQL
-- transaction that compares and sets cluster_state. happened = 0: it was sealed, and never will. A row a switch: it is
-- kept for good, since a run may be told again at any time. Rows of runs (001) keep business decisions in `fence`.
CREATE TABLE IF NOT EXISTS region_decisions (
  gid        VARBINARY(128) NOT NULL,
  cluster    VARBINARY(32)  NOT NULL,
  happened   TINYINT(1)     NOT NULL,
  epoch      INT UNSIGNED   NOT NULL,                           -- of the cluster from then on
  decided_at DATETIME(3)    NOT NULL,
  PRIMARY KEY (gid)
) ENGINE=InnoDB;
