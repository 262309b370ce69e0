//! The journal over real folders, crashes included.

use super::*;
use crate::expectation::ports::Costs;
use crate::expectation::ports::Payload;
use proptest::prelude::*;
use std::collections::BTreeSet;

const ROOM: u64 = 1 << 30;
const THREE: Share = Share { names: 3, ..Share::ALL };

fn name(number: u64) -> Record {
    Record::Name { name: number.to_string(), ocid: "가".to_owned(), confirmed_ms: number }
}

fn numbers(records: &[Record]) -> Vec<u64> {
    let number = |record: &Record| match record {
        Record::Name { confirmed_ms, .. } => *confirmed_ms,
        other => panic!("{other:?}"),
    };
    records.iter().map(number).collect()
}

/// All that is left, taken out.
fn drained(journal: &mut Journal) -> Vec<Record> {
    let mut all = Vec::new();
    loop {
        let records = journal.oldest(THREE).unwrap();
        if records.is_empty() {
            assert!(journal.is_empty());
            return all;
        }
        all.extend(records);
        journal.stored().unwrap();
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_kind_of_record_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let payload = Payload { body: vec![0, 1, 255].into(), gzip: true };
    let costs = Costs { total: u64::MAX, black_cube: 1, red_cube: 2, ..Costs::default() };
    let records = [
        name(7),
        Record::Gear { ocid: "o".to_owned(), payload, received_ms: 5 },
        Record::Summary { ocid: "o".to_owned(), preset_no: 3, costs, calculated_ms: 6 },
    ];
    let mut journal = Journal::open(folder.path(), ROOM).unwrap();
    assert_eq!(journal.append(&records).unwrap(), 3);
    drop(journal);
    let mut journal = Journal::open(folder.path(), ROOM).unwrap();
    assert_eq!(journal.oldest(Share::ALL).unwrap(), records);
    journal.stored().unwrap();
    assert_eq!((files(folder.path()).len(), journal.bytes()), (0, 0));
}

#[test]
fn what_is_not_in_the_store_is_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), ROOM).unwrap();
    journal.append(&[1, 2, 3, 4, 5].map(name)).unwrap();
    assert_eq!(numbers(&journal.oldest(THREE).unwrap()), [1, 2, 3]);
    assert_eq!(numbers(&journal.oldest(THREE).unwrap()), [1, 2, 3]);
    journal.stored().unwrap();
    journal.append(&[name(6)]).unwrap();
    assert_eq!(numbers(&journal.oldest(THREE).unwrap()), [4, 5]);
    journal.stored().unwrap();
    assert_eq!(numbers(&drained(&mut journal)), [6]);
}

#[test]
fn it_takes_no_more_than_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), 200).unwrap();
    let taken: usize = (0..9).map(|number| journal.append(&[name(number)]).unwrap()).sum();
    assert!((1..9).contains(&taken), "{taken}");
    assert!(journal.bytes() <= 200);
    assert_eq!(drained(&mut journal).len(), taken);
    assert_eq!(journal.append(&[name(10)]).unwrap(), 1, "there is room again");
}

#[test]
fn segments_are_closed_and_go_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), ROOM).unwrap();
    let payload = Payload { body: vec![9; 6 << 20].into(), gzip: true };
    for at in 0..7 {
        let record =
            Record::Gear { ocid: at.to_string(), payload: payload.clone(), received_ms: at };
        assert_eq!(journal.append(&[record]).unwrap(), 1);
    }
    assert_eq!(files(folder.path()).len(), 3, "three, three and one record");
    let one = Share { gears: 1, ..Share::ALL };
    let mut left = Vec::new();
    while let [_] = journal.oldest(one).unwrap()[..] {
        journal.stored().unwrap();
        left.push(files(folder.path()).len());
    }
    assert_eq!(left, [3, 3, 2, 2, 2, 1, 0]);
}

#[test]
fn a_segment_in_use_and_one_of_another_version_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut mine = Journal::open(folder.path(), ROOM).unwrap();
    mine.append(&[name(1)]).unwrap();
    let other = folder.path().join("000000000099.journal");
    fs::write(&other, b"maplejn2 something else").unwrap();
    let mut second = Journal::open(folder.path(), ROOM).unwrap();
    assert!(second.is_empty());
    second.append(&[name(2)]).unwrap();
    assert_eq!(numbers(&drained(&mut mine)), [1]);
    assert_eq!(numbers(&drained(&mut second)), [2]);
    assert_eq!(files(folder.path()), [other]);
}

#[test]
fn damage_ends_a_segment_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), ROOM).unwrap();
    journal.append(&[name(1), name(2)]).unwrap();
    drop(journal);
    let file = &files(folder.path())[0];
    let mut bytes = fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(file, bytes).unwrap();
    let mut journal = Journal::open(folder.path(), ROOM).unwrap();
    journal.append(&[name(3)]).unwrap();
    assert_eq!(numbers(&drained(&mut journal)), [1, 3]);
}

/// Whether this is the process whose files can have so many blocks. If not, the test has been run in one.
fn is_limited(test: &str, blocks: u32) -> bool {
    const LIMITED: &str = "JOURNAL_TEST_LIMITED";
    if std::env::var_os(LIMITED).is_some() {
        return true;
    }
    // Of the two, only an ignored signal makes the write fail instead of ending the process.
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let done = std::process::Command::new("sh")
        .args(["-c", &limited])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("stores::journal::tests::{test}")])
        .env(LIMITED, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    false
}

#[test]
fn what_a_full_disk_cuts_off_is_taken_back() {
    if !is_limited("what_a_full_disk_cuts_off_is_taken_back", 64) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), ROOM).unwrap();
    journal.append(&[name(1)]).unwrap();
    let bytes = journal.bytes();
    let payload = Payload { body: vec![9; 1 << 20].into(), gzip: true };
    let large = Record::Gear { ocid: "o".to_owned(), payload, received_ms: 1 };
    for _ in 0..3 {
        journal.append(&[name(2), large.clone()]).unwrap_err();
        let files = files(folder.path());
        let held: Vec<_> = files.iter().map(|file| fs::metadata(file).unwrap().len()).collect();
        assert_eq!((held, journal.bytes()), (vec![bytes], bytes));
    }
    journal.append(&[name(3)]).unwrap();
    assert_eq!(files(folder.path()).len(), 1, "the segment is still in use");
    assert_eq!(numbers(&drained(&mut journal)), [1, 3]);
}

#[test]
fn a_segment_that_cannot_begin_leaves_nothing() {
    if !is_limited("a_segment_that_cannot_begin_leaves_nothing", 0) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), ROOM).unwrap();
    for _ in 0..3 {
        journal.append(&[name(1)]).unwrap_err();
        assert!(files(folder.path()).is_empty() && journal.is_empty());
    }
}

/// What could not be cut off is on the disk, and counts as that.
#[test]
fn a_torn_end_that_stays_is_held_and_read_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), ROOM).unwrap();
    journal.append(&[name(1)]).unwrap();
    let bytes = journal.bytes();
    let mut segment = journal.open.take().unwrap();
    segment.file.write_all(&[7; 100]).unwrap();
    journal.closed.push_back(segment.torn(1_000));
    assert_eq!(journal.bytes(), bytes + 100);
    journal.append(&[name(2)]).unwrap();
    assert_eq!(numbers(&drained(&mut journal)), [1, 2]);
}

#[test]
fn a_lock_somebody_has_is_no_error_and_no_locks_at_all_is() {
    assert!(is_mine(Ok(())).unwrap());
    assert!(!is_mine(Err(TryLockError::WouldBlock)).unwrap());
    let unknown = io::Error::from(io::ErrorKind::Unsupported);
    assert!(is_mine(Err(TryLockError::Error(unknown))).is_err());
}

#[test]
fn what_cannot_be_read_at_the_start_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), ROOM).unwrap();
    journal.append(&[name(1)]).unwrap();
    drop(journal);
    let other = folder.path().join("000000000099.journal");
    fs::create_dir(&other).unwrap();
    let mut journal = Journal::open(folder.path(), ROOM).unwrap();
    assert_eq!(numbers(&drained(&mut journal)), [1]);
    assert_eq!(files(folder.path()), [other]);
}

/// Shorter than it was when it was opened: reading it fails, as it does on a disk with a bad block.
#[test]
fn a_segment_that_cannot_be_read_is_set_aside_and_takes_its_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), 300).unwrap();
    journal.append(&[name(1), name(2)]).unwrap();
    let file = files(folder.path()).remove(0);
    journal.closed.extend(journal.open.take());
    journal.append(&[name(3)]).unwrap();
    File::options().write(true).open(&file).unwrap().set_len(30).unwrap();
    journal.oldest(THREE).unwrap_err();
    assert_eq!(numbers(&drained(&mut journal)), [3]);
    let aside = file.with_extension(ENDING_ASIDE);
    assert_eq!(files(folder.path()), std::slice::from_ref(&aside));
    File::options().write(true).open(&aside).unwrap().set_len(300).unwrap();
    drop(journal);
    let mut journal = Journal::open(folder.path(), 300).unwrap();
    assert!(journal.is_empty());
    assert_eq!(journal.append(&[name(4)]).unwrap(), 0, "no room is left");
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Replay {
        stored: bool,
    },
    /// The process dies while it appends: so much of the batch has reached the file.
    Crash {
        torn_bytes: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..6_usize).prop_map(Step::Append),
        2 => any::<bool>().prop_map(|stored| Step::Replay { stored }),
        1 => (0..120_usize).prop_map(|torn_bytes| Step::Crash { torn_bytes }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is in a file of the folder: it is read to its end, and the folder is empty after it.
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..60_usize) {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), ROOM).unwrap();
        let (mut frames, _) = journal.frames(&[name(1)]);
        frames.truncate(cut);
        let content = [&VERSION[..], &frames, &bytes].concat();
        fs::write(folder.path().join("1.journal"), content).unwrap();
        journal = Journal::open(folder.path(), ROOM).unwrap();
        prop_assert!(drained(&mut journal).len() <= 1);
        prop_assert!(files(folder.path()).is_empty());
    }

    /// Whatever is appended, replayed and cut short: what was taken is given until it is stored, and nothing else is.
    #[test]
    fn nothing_taken_is_lost(steps in prop::collection::vec(step(), 1..40)) {
        const BYTES_MAX: u64 = 1_000;
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), BYTES_MAX).unwrap();
        let (mut next, mut owed, mut known) = (0, BTreeSet::new(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Append(count) => {
                    let batch: Vec<_> = (next..).take(count).collect();
                    next += count as u64;
                    let records: Vec<_> = batch.iter().copied().map(name).collect();
                    let taken = journal.append(&records).unwrap();
                    owed.extend(&batch[..taken]);
                    known.extend(&batch[..taken]);
                    prop_assert!(journal.bytes() <= BYTES_MAX);
                }
                Step::Replay { stored } => {
                    let given = numbers(&journal.oldest(THREE).unwrap());
                    prop_assert!(given.iter().all(|number| known.contains(number)));
                    if stored {
                        journal.stored().unwrap();
                        given.iter().for_each(|number| { owed.remove(number); });
                    }
                }
                Step::Crash { torn_bytes } => {
                    let batch = [next, next + 1];
                    next += 2;
                    // In the file though never answered for: may be found.
                    known.extend(batch);
                    let (frames, _) = journal.frames(&batch.map(name));
                    if let Some(segment) = &mut journal.open {
                        segment.file.write_all(&frames[..torn_bytes.min(frames.len())]).unwrap();
                    }
                    drop(journal);
                    journal = Journal::open(folder.path(), BYTES_MAX).unwrap();
                }
            }
        }
        drop(journal);
        let given = numbers(&drained(&mut Journal::open(folder.path(), BYTES_MAX).unwrap()));
        prop_assert!(given.iter().all(|number| known.contains(number)), "{given:?}");
        let given: BTreeSet<_> = given.into_iter().collect();
        prop_assert!(owed.is_subset(&given), "{owed:?} {given:?}");
        prop_assert!(files(folder.path()).is_empty());
    }
}
