-- include shared/fence.sql

-- include shared/region-epoch.sql

-- include shared/outbox.sql
