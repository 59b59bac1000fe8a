-- Keys of the API: of a secret only its hash is kept.
CREATE TABLE IF NOT EXISTS api_keys (
  key_id        VARBINARY(64)  NOT NULL,
  tenant        VARBINARY(16)  NOT NULL,
  owner         VARBINARY(128) NOT NULL,                     -- subject that the key speaks for
  secret_sha256 BINARY(32)     NOT NULL,
  scopes        JSON           NOT NULL,
  created_at    DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  expires_at    DATETIME(3)    NULL,
  revoked_at    DATETIME(3)    NULL,
  last_used_at  DATETIME(3)    NULL,
  PRIMARY KEY (key_id),
  KEY by_tenant (tenant, key_id)
) ENGINE=InnoDB;
