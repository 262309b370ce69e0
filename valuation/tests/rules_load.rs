//! A wrong ruleset is refused with file, line and key; a right one loads.

use valuation::rules::BUILT_IN;
use valuation::rules::RuleError;
use valuation::rules::Ruleset;

fn no_tables(name: &str) -> Result<String, String> {
    Err(format!("no file {name}"))
}

fn text() -> &'static str {
    BUILT_IN[0].1
}

/// The error for the built-in text with one piece replaced, and the line where that piece stands.
fn refused(piece: &str, by: &str) -> (RuleError, usize) {
    let at = text().find(piece).unwrap_or_else(|| panic!("{piece} is not in the ruleset"));
    let line = text()[..at].matches('\n').count() + 1;
    let changed = text().replacen(piece, by, 1);
    let error = Ruleset::parse("my.toml", &changed, no_tables).expect_err(by);
    assert_eq!(error.file, "my.toml");
    (error, line)
}

#[test]
fn the_built_in_rulesets_hold_and_carry_their_names() {
    for (id, text) in BUILT_IN {
        assert_eq!(Ruleset::parse(id, text, no_tables).expect(id).id, id);
        assert_eq!(Ruleset::built_in(id).expect(id).id, id);
    }
    assert!(Ruleset::built_in("kms-1999-01").is_none());
}

#[test]
fn values_out_of_range_are_named_by_key_and_line() {
    for (piece, by, key) in [
        ("0.95, 0.90", "0.95, 1.90", "starforce.success[1]"),
        ("0.95, 0.90", "-0.95, 0.90", "starforce.success[0]"),
        ("restart_star = 12", "restart_star = 99", "starforce.restart_star"),
        ("level_step = 10", "level_step = 0", "starforce.fee.level_step"),
        ("round_to = 100.0", "round_to = 0.0", "starforce.fee.round_to"),
        ("exponent = 2.7", "exponent = nan", "starforce.fee.exponent"),
        ("factor = 1.05", "factor = 0.5", "starforce.star_catch.factor"),
        ("surcharge = 2.0", "surcharge = -1.0", "starforce.safeguard.surcharge"),
        ("destroy_factor = 0.7", "destroy_factor = 1.7", "starforce.event.destroy_factor"),
        ("pc_room = 0.05", "pc_room = 0.95", "starforce.discounts.pc_room"),
        ("{ level = 150, mesos", "{ level = 155, mesos", "starforce.restore.levels[1].level"),
        ("level_from = 95,", "level_from = 0,", "starforce.caps[1].level_from"),
        ("mean_digits = 10", "mean_digits = 0", "scroll.mean_digits"),
        ("failure_price = 150_400_000.0", "failure_price = -1.0", "scroll.failure_price"),
        ("price = 3_000_000.0", "price = -3.0", "flame.price"),
        ("chances = [0.63, 0.34, 0.03]", "chances = [0.63, 0.34, 0.04]", "flame.abyss.chances"),
        ("others = [0.40, 0.40", "others = [0.50, 0.40", "flame.lines.others"),
        ("miracle_factor = 2.0", "miracle_factor = -2.0", "potential.miracle_factor"),
        ("id = \"kms-2026-09\"", "id = \"a b\"", "id"),
        ("tables = \"kms-2026-07\"", "tables = \"mine.txt\"", "tables"),
    ] {
        let (error, line) = refused(piece, by);
        assert_eq!(error.key, key, "{error}");
        assert_eq!(error.line, line, "{error}");
    }
}

#[test]
fn unknown_keys_wrong_types_and_syntax_are_placed_too() {
    for (piece, by, key) in [
        ("restart_star = 12", "restart_star = 12\nrestart_moon = 1", "restart_moon"),
        ("level_step = 10", "level_step = \"ten\"", "starforce.fee.level_step"),
        ("price = 3_000_000.0", "prize = 3_000_000.0", "flame"),
        ("solution = \"product\"", "solution = \"magic\"", "starforce.solution"),
        ("main = \"HP\"", "main = \"MP\"", "jobs.groups[6]"),
    ] {
        let (error, line) = refused(piece, by);
        let told = format!("{} {}", error.key, error.message);
        assert!(told.contains(key), "{error}");
        assert!(error.line.abs_diff(line) <= 1 || error.key == "flame", "{error}, not {line}");
    }
    let (error, line) = refused("restart_star = 12", "restart_star = = 12");
    assert_eq!((error.key.as_str(), error.line), ("syntax", line), "{error}");
    let missing = text().replacen("[scroll]", "[scrolls]", 1);
    let error = Ruleset::parse("my.toml", &missing, no_tables).expect_err("no scroll section");
    assert!(error.to_string().contains("scroll"), "{error}");
}

#[test]
fn a_table_file_is_asked_for_by_name_and_its_errors_name_it() {
    let mine = text().replacen("tables = \"kms-2026-07\"", "tables = \"mine.txt\"", 1);
    let official = include_str!("../tables/kms-2026-07.txt");
    let read = |text: String| {
        move |name: &str| {
            assert_eq!(name, "mine.txt");
            Ok(text)
        }
    };
    Ruleset::parse("my.toml", &mine, read(official.to_owned())).expect("the official tables");
    let broken = official.replacen("STR +13%", "STR +13%\u{0}", 1) + "\nnonsense\n";
    let error = Ruleset::parse("my.toml", &mine, read(broken)).expect_err("broken tables");
    assert_eq!(error.file, "mine.txt");
    assert!(error.line > 1, "{error}");
}
