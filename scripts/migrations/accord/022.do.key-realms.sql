-- Whether a key is of a tenant or of a cluster. The name of a cluster stood in the place of the tenant, so what bears it was
-- the cluster's, and no tenant may have it. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'api_keys' AND column_name = 'realm');
SET @change = IF(@missing,
  'ALTER TABLE api_keys ADD COLUMN realm ENUM(''tenant'', ''cluster'') CHARACTER SET ascii COLLATE ascii_bin NULL AFTER key_id',
  'DO 0');
PREPARE change_api_keys FROM @change;
EXECUTE change_api_keys;
DEALLOCATE PREPARE change_api_keys;

UPDATE api_keys SET realm = IF(tenant IN (SELECT cluster FROM cluster_state), 'cluster', 'tenant')
  WHERE realm IS NULL;

ALTER TABLE api_keys
  MODIFY COLUMN realm ENUM('tenant', 'cluster') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'tenant';
