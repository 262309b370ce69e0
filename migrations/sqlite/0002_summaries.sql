-- What the gear of a character would cost, by preset.

CREATE TABLE equipment_expectation_summary (
    ocid                 TEXT    NOT NULL,
    preset_no            INTEGER NOT NULL,
    -- Whole mesos.
    total_expected_cost  INTEGER NOT NULL,
    black_cube_cost      INTEGER NOT NULL,
    red_cube_cost        INTEGER NOT NULL,
    additional_cube_cost INTEGER NOT NULL,
    starforce_cost       INTEGER NOT NULL,
    -- When it was calculated, unix milliseconds.
    calculated_at_ms     INTEGER NOT NULL,
    PRIMARY KEY (ocid, preset_no)
) STRICT, WITHOUT ROWID;
