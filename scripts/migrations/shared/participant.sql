-- include shared/fence.sql

-- include shared/region-epoch.sql

-- include shared/outbox.sql

-- include shared/open-reservations.sql

-- include shared/installation.sql
