//! What every ledger does. A case gets an empty ledger; it keeps, reopens, and looks.

use maple_expectation::expectation::ports::Costs;
use maple_expectation::expectation::ports::Ledger;
use maple_expectation::expectation::ports::Named;
use maple_expectation::gzip;

use super::block_on;
use super::costs;
use super::gear;
use super::name;
use super::summary;
use crate::fake::Fake;
use crate::file::File;
use crate::mysql::Databases;

/// A ledger under test.
pub(crate) trait Subject {
    /// The way to it.
    fn ledger(&self) -> &dyn Ledger;
    /// Everything kept so far is written, the ledger closed and opened again.
    fn reopen(&mut self);
    /// A summary as it is kept, and when it was calculated. No port reads it yet.
    fn summary(&self, ocid: &str, preset_no: u8) -> Option<([u64; 5], u64)>;
}

type Case = (&'static str, fn(&mut dyn Subject));

const CASES: &[Case] = &[
    ("what was kept is there", what_was_kept_is_there),
    ("nothing is there that was not kept", nothing_is_there_that_was_not_kept),
    ("newer wins in one batch", newer_wins_in_one_batch),
    ("newer wins whatever comes last", newer_wins_whatever_comes_last),
    ("the same time replaces", the_same_time_replaces),
    ("names change hands", names_change_hands),
    ("characters change names", characters_change_names),
    ("names are not mixed up", names_are_not_mixed_up),
    ("gear is any bytes", gear_is_any_bytes),
    ("times are exact", times_are_exact),
    ("summaries need no name", summaries_need_no_name),
    ("summaries are kept by preset", summaries_are_kept_by_preset),
    ("more summaries than a statement takes", more_summaries_than_a_statement_takes),
    ("costs beyond all bounds", costs_beyond_all_bounds),
];

fn all(mut fresh: impl FnMut() -> Box<dyn Subject>) {
    for (what, case) in CASES {
        println!("{what}");
        case(&mut *fresh());
    }
}

#[test]
fn the_fake_conforms() {
    all(|| Box::<Fake>::default());
}

#[test]
fn sqlite_conforms() {
    all(|| Box::new(File::new()));
}

#[test]
fn mysql_conforms() {
    let databases = Databases::start();
    all(|| Box::new(databases.subject()));
}

fn ocid_of(subject: &dyn Subject, name: &str) -> Option<String> {
    block_on(subject.ledger().name(name)).map(|named| named.ocid)
}

fn text_of(subject: &dyn Subject, ocid: &str) -> Option<String> {
    let gear = block_on(subject.ledger().gear(ocid))?;
    let plain = match gear.payload.gzip {
        true => gzip::decompress(&gear.payload.body, 1 << 20).unwrap(),
        false => gear.payload.body,
    };
    Some(String::from_utf8(plain.to_vec()).unwrap())
}

fn what_was_kept_is_there(subject: &mut dyn Subject) {
    let ledger = subject.ledger();
    ledger.keep(name("강은호", "1", 1_000));
    ledger.keep(gear("1", "gear", 2_000));
    subject.reopen();
    let found = block_on(subject.ledger().name("강은호")).unwrap();
    assert_eq!(found, Named { ocid: "1".to_owned(), confirmed_ms: 1_000 });
    assert_eq!(block_on(subject.ledger().gear("1")).unwrap().received_ms, 2_000);
    assert_eq!(text_of(subject, "1").as_deref(), Some("gear"));
}

fn nothing_is_there_that_was_not_kept(subject: &mut dyn Subject) {
    subject.ledger().keep(name("가", "1", 1));
    subject.reopen();
    assert_eq!((ocid_of(subject, "나"), text_of(subject, "1")), (None, None));
    assert_eq!((text_of(subject, ""), text_of(subject, "강")), (None, None));
    assert_eq!(subject.summary("1", 1), None);
}

fn newer_wins_in_one_batch(subject: &mut dyn Subject) {
    let ledger = subject.ledger();
    for (text, at) in [("b", 2), ("c", 3), ("a", 1)] {
        ledger.keep(gear("1", text, at));
        ledger.keep(name("가", text, at));
        ledger.keep(summary("1", 1, at, at));
    }
    subject.reopen();
    assert_eq!(text_of(subject, "1").as_deref(), Some("c"));
    assert_eq!(ocid_of(subject, "가").as_deref(), Some("c"));
    assert_eq!(subject.summary("1", 1), Some((costs(3).columns(), 3)));
}

fn newer_wins_whatever_comes_last(subject: &mut dyn Subject) {
    let ledger = subject.ledger();
    ledger.keep(gear("1", "new", 9));
    ledger.keep(name("가", "1", 9));
    ledger.keep(summary("1", 1, 90, 9));
    subject.reopen();
    let ledger = subject.ledger();
    ledger.keep(gear("1", "old", 8));
    ledger.keep(name("가", "2", 8));
    ledger.keep(name("나", "1", 8));
    ledger.keep(summary("1", 1, 80, 8));
    subject.reopen();
    assert_eq!(text_of(subject, "1").as_deref(), Some("new"));
    assert_eq!((ocid_of(subject, "가").as_deref(), ocid_of(subject, "나")), (Some("1"), None));
    assert_eq!(subject.summary("1", 1), Some((costs(90).columns(), 9)));
}

fn the_same_time_replaces(subject: &mut dyn Subject) {
    for text in ["a", "b"] {
        subject.ledger().keep(gear("1", text, 5));
        subject.reopen();
    }
    assert_eq!(text_of(subject, "1").as_deref(), Some("b"));
}

fn names_change_hands(subject: &mut dyn Subject) {
    subject.ledger().keep(name("가", "1", 1));
    subject.reopen();
    subject.ledger().keep(name("가", "2", 2));
    subject.reopen();
    assert_eq!(ocid_of(subject, "가").as_deref(), Some("2"));
    // And back.
    subject.ledger().keep(name("가", "1", 3));
    subject.reopen();
    assert_eq!(ocid_of(subject, "가").as_deref(), Some("1"));
}

fn characters_change_names(subject: &mut dyn Subject) {
    subject.ledger().keep(name("가", "1", 1));
    subject.ledger().keep(name("나", "2", 1));
    subject.reopen();
    // 1 gives its name to 3 and takes the one of 2.
    subject.ledger().keep(name("가", "3", 2));
    subject.ledger().keep(name("나", "1", 2));
    subject.reopen();
    assert_eq!(ocid_of(subject, "가").as_deref(), Some("3"));
    assert_eq!(ocid_of(subject, "나").as_deref(), Some("1"));
    subject.ledger().keep(name("다", "1", 3));
    subject.reopen();
    assert_eq!((ocid_of(subject, "나"), ocid_of(subject, "다").as_deref()), (None, Some("1")));
}

fn names_are_not_mixed_up(subject: &mut dyn Subject) {
    // Case, width, accents and the last blank make a difference; twelve characters fit.
    let names = ["abc", "ABC", "ａｂｃ", "abç", "가나다라마바사아자차카타"];
    for (at, given) in names.iter().enumerate() {
        subject.ledger().keep(name(given, &at.to_string(), 1));
    }
    subject.reopen();
    for (at, given) in names.iter().enumerate() {
        assert_eq!(ocid_of(subject, given), Some(at.to_string()), "{given}");
    }
}

fn gear_is_any_bytes(subject: &mut dyn Subject) {
    let text = "강은호 '; \\ \0 \u{1f600}".repeat(5_000);
    subject.ledger().keep(gear("1", &text, 1));
    subject.ledger().keep(gear("2", "", 1));
    subject.reopen();
    assert!(text_of(subject, "1").unwrap() == text);
    assert_eq!(text_of(subject, "2").as_deref(), Some(""));
}

fn times_are_exact(subject: &mut dyn Subject) {
    // The second before and the one after 32 bits end.
    for at in [0, 1, 1_795_000_000_123, 2_147_483_647_999, 2_147_483_648_001] {
        subject.ledger().keep(name("가", "1", at));
        subject.ledger().keep(gear("1", "x", at));
        subject.reopen();
        assert_eq!(block_on(subject.ledger().name("가")).unwrap().confirmed_ms, at);
        assert_eq!(block_on(subject.ledger().gear("1")).unwrap().received_ms, at);
        assert_eq!(block_on(subject.ledger().received("1")), Some(at));
        assert_eq!(block_on(subject.ledger().received("2")), None);
    }
}

fn summaries_need_no_name(subject: &mut dyn Subject) {
    subject.ledger().keep(summary("1", 1, 10, 1));
    subject.reopen();
    assert_eq!(subject.summary("1", 1), Some((costs(10).columns(), 1)));
    subject.ledger().keep(name("가", "1", 1));
    subject.reopen();
    assert_eq!(ocid_of(subject, "가").as_deref(), Some("1"));
    assert_eq!(subject.summary("1", 1), Some((costs(10).columns(), 1)));
}

fn summaries_are_kept_by_preset(subject: &mut dyn Subject) {
    for (ocid, preset_no) in [("1", 1), ("1", 2), ("2", 1)] {
        subject.ledger().keep(summary(ocid, preset_no, u64::from(preset_no) + 10, 7));
    }
    subject.reopen();
    subject.ledger().keep(summary("1", 2, 99, 8));
    subject.reopen();
    assert_eq!(subject.summary("1", 1), Some((costs(11).columns(), 7)));
    assert_eq!(subject.summary("1", 2), Some((costs(99).columns(), 8)));
    assert_eq!(subject.summary("2", 1), Some((costs(11).columns(), 7)));
    assert_eq!(subject.summary("2", 2), None);
}

fn more_summaries_than_a_statement_takes(subject: &mut dyn Subject) {
    for at in 0..1_201 {
        subject.ledger().keep(summary(&(at / 3).to_string(), 1 + at as u8 % 3, at, 1));
    }
    subject.reopen();
    for at in [0, 499, 500, 1_000, 1_200] {
        let found = subject.summary(&(at / 3).to_string(), 1 + at as u8 % 3);
        assert_eq!(found, Some((costs(at).columns(), 1)), "{at}");
    }
}

fn costs_beyond_all_bounds(subject: &mut dyn Subject) {
    subject.ledger().keep(summary("1", 1, u64::MAX, 1));
    subject.reopen();
    let (kept, _) = subject.summary("1", 1).unwrap();
    assert_eq!(kept[0], Costs::MESOS_MAX);
}
