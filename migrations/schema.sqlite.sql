-- What all files of sqlite/ together make, by name of the object. A test compares.

CREATE TABLE character_equipment (
    ocid            TEXT    NOT NULL PRIMARY KEY,
    json_content    BLOB    NOT NULL,
    updated_at_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX character_equipment_by_age ON character_equipment (updated_at_ms);

CREATE TABLE game_character (
    ocid            TEXT    NOT NULL PRIMARY KEY,
    user_ign        TEXT    NOT NULL UNIQUE,
    confirmed_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE schema_migration (
    number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT;
