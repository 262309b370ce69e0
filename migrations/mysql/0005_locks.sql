-- Locks of jobs while nobody reaches Redis, and the book that says when that is: docs/adr/0007. Times are unix milliseconds
-- of this server's clock.

CREATE TABLE IF NOT EXISTS lock_lease (
    name       varchar(128) NOT NULL,
    -- Whose it is, or was; empty when it was let go. The row stays: it keeps the fence.
    token      varchar(160) NOT NULL,
    fence      bigint unsigned NOT NULL,
    expires_ms bigint unsigned NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS lock_book (
    -- A process from its start to its end.
    node          varchar(128) NOT NULL,
    -- The number of its last meeting, and when that was.
    meeting       bigint unsigned NOT NULL,
    seen_ms       bigint unsigned NOT NULL,
    -- Since when it does not use Redis; NULL while it may.
    left_first_ms bigint unsigned NULL,
    -- Whether it uses the leases here.
    uses_second   tinyint(1) NOT NULL,
    PRIMARY KEY (node),
    KEY idx_seen (seen_ms)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- One row: whoever meets has it to himself until he commits.
CREATE TABLE IF NOT EXISTS lock_meeting (
    id       tinyint unsigned NOT NULL,
    meetings bigint unsigned NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
