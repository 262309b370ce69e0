-- Who has an account, and whom they like.

CREATE TABLE IF NOT EXISTS member (
    id         bigint unsigned NOT NULL AUTO_INCREMENT,
    version    bigint NOT NULL DEFAULT 0,
    account_id varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    point      bigint NOT NULL DEFAULT 0,
    created_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY uk_account_id (account_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS character_like (
    id               bigint unsigned NOT NULL AUTO_INCREMENT,
    target_ocid      varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    liker_account_id varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at       datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY uk_target_liker (target_ocid, liker_account_id),
    -- Newest first, of a target and of a liker.
    KEY idx_target_created (target_ocid, created_at),
    KEY idx_liker_created (liker_account_id, created_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
