-- Characters, their gear as the game gave it, and what was made of it. Times are UTC.

CREATE TABLE IF NOT EXISTS game_character (
    id                    bigint unsigned NOT NULL AUTO_INCREMENT,
    ocid                  varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- NFC, 1 to 12 characters. A name belongs to one character at a time; NULL when another one took it over.
    user_ign              varchar(12) NULL,
    -- When the game last said that the name is this character's. The epoch: never.
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

CREATE TABLE IF NOT EXISTS character_equipment (
    ocid         varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- The document of the game, gzip.
    json_content longblob NOT NULL,
    created_at   datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    -- When it was received.
    updated_at   datetime(6) NOT NULL,
    PRIMARY KEY (ocid),
    KEY idx_updated_at (updated_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS equipment_expectation_summary (
    id                   bigint unsigned NOT NULL AUTO_INCREMENT,
    game_character_id    bigint unsigned NOT NULL,
    preset_no            int NOT NULL,
    -- Mesos.
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

CREATE TABLE IF NOT EXISTS nexon_character_data (
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
