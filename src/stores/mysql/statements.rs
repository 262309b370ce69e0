//! Every statement that runs while serving; a test asks the planner about each. They are understood by MySQL 8 and
//! MariaDB 10.6 alike: hence `VALUES()`, which the one calls deprecated and for whose successor the other has no name.
//!
//! Assignments of an upsert happen from left to right: the time a row is compared by comes last.

/// What a name stands for.
pub const NAME: &str = "SELECT ocid, confirmed_at FROM game_character WHERE user_ign = ?";

/// Gear by id.
pub const GEAR: &str = "SELECT json_content, updated_at FROM character_equipment WHERE ocid = ?";

/// When gear was received.
pub const RECEIVED: &str = "SELECT updated_at FROM character_equipment WHERE ocid = ?";

/// Takes a name from the character that had it before, unless that is news. The character stays: it may be liked.
/// Name, id, time.
pub const RELEASE_NAME: &str = "UPDATE game_character SET user_ign = NULL
    WHERE user_ign = ? AND ocid <> ? AND confirmed_at <= ?";

/// Gives a character its name. Nothing happens when somebody else has the name by later news; a session reads it
/// repeatably, so that nobody can take it between the look and the row. Name, id, time, name, id.
pub const PUT_NAME: &str = "INSERT INTO game_character (user_ign, ocid, confirmed_at)
    SELECT ?, ?, ? FROM DUAL
    WHERE NOT EXISTS (SELECT 1 FROM game_character WHERE user_ign = ? AND ocid <> ?)
    ON DUPLICATE KEY UPDATE
    user_ign = IF(confirmed_at <= VALUES(confirmed_at), VALUES(user_ign), user_ign),
    confirmed_at = GREATEST(confirmed_at, VALUES(confirmed_at))";

/// A statement about many rows: `head row, row, row tail`.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    head: &'static str,
    row: &'static str,
    tail: &'static str,
}

impl Rows {
    /// The statement for so many rows.
    #[must_use]
    pub fn sql(&self, rows: usize) -> String {
        format!("{}{}{}", self.head, vec![self.row; rows].join(", "), self.tail)
    }
}

/// Keeps gear, unless newer is kept. Id, document, time.
pub const PUT_GEAR: Rows = Rows {
    head: "INSERT INTO character_equipment (ocid, json_content, updated_at) VALUES ",
    row: "(?, ?, ?)",
    tail: " ON DUPLICATE KEY UPDATE
    json_content = IF(VALUES(updated_at) >= updated_at, VALUES(json_content), json_content),
    updated_at = GREATEST(updated_at, VALUES(updated_at))",
};

/// The rows of characters by their ids of the game.
pub const CHARACTERS: Rows =
    Rows { head: "SELECT ocid, id FROM game_character WHERE ocid IN (", row: "?", tail: ")" };

/// Characters of which nothing but the id is known yet.
pub const PUT_CHARACTERS: Rows = Rows {
    head: "INSERT INTO game_character (ocid) VALUES ",
    row: "(?)",
    tail: " ON DUPLICATE KEY UPDATE ocid = VALUES(ocid)",
};

/// Keeps summaries, unless newer are kept. Row of the character, preset, five costs, time.
pub const PUT_SUMMARIES: Rows = Rows {
    head: "INSERT INTO equipment_expectation_summary (game_character_id, preset_no, total_expected_cost,
    black_cube_cost, red_cube_cost, additional_cube_cost, starforce_cost, calculated_at) VALUES ",
    row: "(?, ?, ?, ?, ?, ?, ?, ?)",
    tail: " ON DUPLICATE KEY UPDATE
    total_expected_cost =
        IF(VALUES(calculated_at) >= calculated_at, VALUES(total_expected_cost), total_expected_cost),
    black_cube_cost = IF(VALUES(calculated_at) >= calculated_at, VALUES(black_cube_cost), black_cube_cost),
    red_cube_cost = IF(VALUES(calculated_at) >= calculated_at, VALUES(red_cube_cost), red_cube_cost),
    additional_cube_cost =
        IF(VALUES(calculated_at) >= calculated_at, VALUES(additional_cube_cost), additional_cube_cost),
    starforce_cost = IF(VALUES(calculated_at) >= calculated_at, VALUES(starforce_cost), starforce_cost),
    calculated_at = GREATEST(calculated_at, VALUES(calculated_at))",
};
