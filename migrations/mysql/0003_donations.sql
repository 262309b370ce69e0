-- Donations, and the events that commit together with them.

CREATE TABLE IF NOT EXISTS donation_history (
    id                   bigint unsigned NOT NULL AUTO_INCREMENT,
    sender_account_id    varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    receiver_fingerprint varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount               bigint NOT NULL,
    request_id           varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- Lower hex of SHA-256 over the request's body: the same id with another body is a conflict.
    body_hash            char(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at           datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY uk_request_id (request_id),
    KEY idx_sender_created (sender_account_id, created_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS donation_outbox (
    id            bigint unsigned NOT NULL AUTO_INCREMENT,
    version       bigint NOT NULL DEFAULT 0,
    request_id    varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    event_type    varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload       text NOT NULL,
    -- Lower hex of SHA-256 over request_id|event_type|payload.
    content_hash  char(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    status        enum ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'DEAD_LETTER') NOT NULL DEFAULT 'PENDING',
    locked_by     varchar(100) NULL,
    locked_at     datetime(6) NULL,
    retry_count   int NOT NULL DEFAULT 0,
    max_retries   int NOT NULL DEFAULT 3,
    last_error    varchar(500) NULL,
    next_retry_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    created_at    datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at    datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY uk_request_id (request_id),
    KEY idx_pending_poll (status, next_retry_at, id),
    KEY idx_locked (locked_by, locked_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS donation_dlq (
    id                 bigint unsigned NOT NULL AUTO_INCREMENT,
    original_outbox_id bigint unsigned NOT NULL,
    request_id         varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    event_type         varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload            text NOT NULL,
    failure_reason     varchar(500) NULL,
    moved_at           datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    KEY idx_moved_at (moved_at),
    KEY idx_request_id (request_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
