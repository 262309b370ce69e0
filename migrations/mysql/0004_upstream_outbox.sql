-- Calls to the game that failed and are made again once it is back.

CREATE TABLE IF NOT EXISTS nexon_api_outbox (
    id            bigint unsigned NOT NULL AUTO_INCREMENT,
    version       bigint NOT NULL DEFAULT 0,
    request_id    varchar(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    event_type    varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload       text NOT NULL,
    -- Lower hex of SHA-256 over request_id|event_type|payload.
    content_hash  char(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- Lower hex of SHA-256 over event_type|payload while the call is to be made, NULL afterwards: one of a kind waits.
    open_key      char(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    status        enum ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'DEAD_LETTER') NOT NULL DEFAULT 'PENDING',
    locked_by     varchar(100) NULL,
    locked_at     datetime(6) NULL,
    retry_count   int NOT NULL DEFAULT 0,
    max_retries   int NOT NULL DEFAULT 3,
    last_error    varchar(500) NULL,
    next_retry_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    -- Calls die of age, not of attempts.
    expires_at    datetime(6) NULL,
    created_at    datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at    datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY uk_request_id (request_id),
    UNIQUE KEY uk_open_key (open_key),
    KEY idx_pending_poll (status, next_retry_at, id),
    KEY idx_locked (locked_by, locked_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS nexon_api_dlq (
    id                 bigint unsigned NOT NULL AUTO_INCREMENT,
    original_outbox_id bigint unsigned NOT NULL,
    request_id         varchar(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    event_type         varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload            text NOT NULL,
    failure_reason     varchar(500) NULL,
    moved_at           datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    KEY idx_moved_at (moved_at),
    KEY idx_request_id (request_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
