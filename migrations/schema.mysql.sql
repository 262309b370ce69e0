-- What all files of mysql/ together make, by name of the table. A test compares.

CREATE TABLE character_equipment (
    ocid         varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    json_content longblob NOT NULL,
    created_at   datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at   datetime(6) NOT NULL,
    PRIMARY KEY (ocid),
    KEY idx_updated_at (updated_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE character_like (
    id               bigint unsigned NOT NULL AUTO_INCREMENT,
    target_ocid      varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    liker_account_id varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at       datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY uk_target_liker (target_ocid, liker_account_id),
    KEY idx_target_created (target_ocid, created_at),
    KEY idx_liker_created (liker_account_id, created_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE donation_dlq (
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

CREATE TABLE donation_history (
    id                   bigint unsigned NOT NULL AUTO_INCREMENT,
    sender_account_id    varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    receiver_fingerprint varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount               bigint NOT NULL,
    request_id           varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    body_hash            char(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at           datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY uk_request_id (request_id),
    KEY idx_sender_created (sender_account_id, created_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE donation_outbox (
    id            bigint unsigned NOT NULL AUTO_INCREMENT,
    version       bigint NOT NULL DEFAULT 0,
    request_id    varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    event_type    varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload       text NOT NULL,
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

CREATE TABLE equipment_expectation_summary (
    id                   bigint unsigned NOT NULL AUTO_INCREMENT,
    game_character_id    bigint unsigned NOT NULL,
    preset_no            int NOT NULL,
    total_expected_cost  decimal(20,2) NOT NULL,
    black_cube_cost      decimal(20,2) NOT NULL,
    red_cube_cost        decimal(20,2) NOT NULL,
    additional_cube_cost decimal(20,2) NOT NULL,
    starforce_cost       decimal(20,2) NOT NULL,
    calculated_at        datetime(6) NOT NULL,
    version              bigint NOT NULL DEFAULT 0,
    created_at           datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY uk_character_preset (game_character_id, preset_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE game_character (
    id                    bigint unsigned NOT NULL AUTO_INCREMENT,
    ocid                  varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_ign              varchar(12) NULL,
    confirmed_at          datetime(6) NOT NULL DEFAULT '1970-01-01 00:00:00',
    world_name            varchar(50) NULL,
    character_class       varchar(50) NULL,
    character_image       varchar(2048) NULL,
    basic_info_updated_at datetime(6) NULL,
    like_count            bigint NOT NULL DEFAULT 0,
    version               bigint NOT NULL DEFAULT 0,
    created_at            datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at            datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY uk_ocid (ocid),
    UNIQUE KEY uk_user_ign (user_ign)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE lock_book (
    node          varchar(128) NOT NULL,
    meeting       bigint unsigned NOT NULL,
    seen_ms       bigint unsigned NOT NULL,
    left_first_ms bigint unsigned NULL,
    uses_second   tinyint(1) NOT NULL,
    PRIMARY KEY (node),
    KEY idx_seen (seen_ms)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE lock_lease (
    name       varchar(128) NOT NULL,
    token      varchar(160) NOT NULL,
    fence      bigint unsigned NOT NULL,
    expires_ms bigint unsigned NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE lock_meeting (
    id       tinyint unsigned NOT NULL,
    meetings bigint unsigned NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE member (
    id         bigint unsigned NOT NULL AUTO_INCREMENT,
    version    bigint NOT NULL DEFAULT 0,
    account_id varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    point      bigint NOT NULL DEFAULT 0,
    created_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY uk_account_id (account_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE nexon_api_dlq (
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

CREATE TABLE nexon_api_outbox (
    id            bigint unsigned NOT NULL AUTO_INCREMENT,
    version       bigint NOT NULL DEFAULT 0,
    request_id    varchar(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    event_type    varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload       text NOT NULL,
    content_hash  char(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    open_key      char(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    status        enum ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'DEAD_LETTER') NOT NULL DEFAULT 'PENDING',
    locked_by     varchar(100) NULL,
    locked_at     datetime(6) NULL,
    retry_count   int NOT NULL DEFAULT 0,
    max_retries   int NOT NULL DEFAULT 3,
    last_error    varchar(500) NULL,
    next_retry_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    expires_at    datetime(6) NULL,
    created_at    datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at    datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY uk_request_id (request_id),
    UNIQUE KEY uk_open_key (open_key),
    KEY idx_pending_poll (status, next_retry_at, id),
    KEY idx_locked (locked_by, locked_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE nexon_character_data (
    id                  bigint unsigned NOT NULL AUTO_INCREMENT,
    ocid                varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    character_name      varchar(12) NULL,
    world_name          varchar(50) NULL,
    character_class     varchar(50) NULL,
    character_level     int NULL,
    guild_name          varchar(50) NULL,
    character_image_url varchar(2048) NULL,
    `date`              datetime(6) NULL,
    created_at          datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at          datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY uk_ocid (ocid)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE schema_migration (
    number     int unsigned NOT NULL,
    name       varchar(100) NOT NULL,
    checksum   char(16) NOT NULL,
    applied_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
