-- What all files of sqlite/ together make, by name of the object. A test compares.

CREATE TABLE character_equipment (
    ocid            TEXT    NOT NULL PRIMARY KEY,
    json_content    BLOB    NOT NULL,
    updated_at_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX character_equipment_by_age ON character_equipment (updated_at_ms);

CREATE TABLE equipment_expectation_summary (
    ocid                 TEXT    NOT NULL,
    preset_no            INTEGER NOT NULL,
    total_expected_cost  INTEGER NOT NULL,
    black_cube_cost      INTEGER NOT NULL,
    red_cube_cost        INTEGER NOT NULL,
    additional_cube_cost INTEGER NOT NULL,
    starforce_cost       INTEGER NOT NULL,
    calculated_at_ms     INTEGER NOT NULL,
    PRIMARY KEY (ocid, preset_no)
) STRICT, WITHOUT ROWID;

CREATE TABLE game_character (
    ocid            TEXT    NOT NULL PRIMARY KEY,
    user_ign        TEXT    NOT NULL UNIQUE,
    confirmed_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE schema_migration (
    number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT;
