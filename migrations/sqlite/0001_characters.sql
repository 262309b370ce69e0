-- Names and gear as the game gave them. Everything in here can be had again from the game.

CREATE TABLE game_character (
    ocid            TEXT    NOT NULL PRIMARY KEY,
    -- NFC, 1 to 12 characters. A name belongs to one character at a time.
    user_ign        TEXT    NOT NULL UNIQUE,
    -- When the game last said that the name is this character's, unix milliseconds.
    confirmed_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE character_equipment (
    ocid            TEXT    NOT NULL PRIMARY KEY,
    -- The document of the game, gzip.
    json_content    BLOB    NOT NULL,
    -- When it was received, unix milliseconds.
    updated_at_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX character_equipment_by_age ON character_equipment (updated_at_ms);
