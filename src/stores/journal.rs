//! Records on disk while the store they are for is away: appended in batches, each batch on the disk before it counts
//! as taken, and given back oldest first. What a crash leaves is found at the next start.
//!
//! A folder of segments. A segment is written once and by one process, which holds a lock on it; when it is reopened it
//! is only read, and what a failed append has left is cut off, so that a torn end is never followed by anything.
//! Replaying is repeatable: a newer record in the store wins over an older one that comes late, so a segment is deleted
//! only when all of it is in the store.
//!
//! Blocks on the disk: never on a shard or the backplane itself.

use std::collections::VecDeque;
use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_64;

use crate::expectation::ports::Record;
use crate::stores::batch::Batch;
use crate::stores::batch::Share;

mod codec;

/// A segment is closed when it is this long, bytes. What has to be replayed again after a crash is at most this.
pub const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Largest record that is read back, bytes: twice the largest document of the game.
const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The first bytes of a segment: what it is, and the version of its form.
const VERSION: [u8; 8] = *b"maplejn1";
/// Before each record: its length (4 bytes) and its checksum (8 bytes), little-endian.
const FRAME_BYTES: usize = 12;
const ENDING: &str = "journal";
/// What the name of a segment that could not be read ends in. Nobody looks at it again until it is named as before.
const ENDING_ASIDE: &str = "unreadable";

/// A journal of one process.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    bytes_max: u64,
    /// The number of the next segment.
    next: u64,
    /// To be replayed, oldest first.
    closed: VecDeque<Segment>,
    /// Where records are appended.
    open: Option<Segment>,
    /// How far the oldest segment will be in the store once [`Journal::stored`] is called.
    given: u64,
    /// On the disk and not to be replayed: it takes room all the same.
    aside_bytes: u64,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    /// Locked as long as it is open.
    file: File,
    /// Length of what is whole.
    bytes: u64,
    /// Up to here it is in the store.
    stored: u64,
}

impl Journal {
    /// The journal in `folder`, with what earlier processes left there. It holds at most `bytes_max`.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let (mut found, mut last, mut aside_bytes) = (Vec::new(), 0, 0);
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            let ending = path.extension().and_then(|ending| ending.to_str());
            match (number, ending) {
                (Some(number), Some(ENDING)) => found.push((number, path)),
                (Some(_), Some(ENDING_ASIDE)) => aside_bytes += entry.metadata()?.len(),
                _ => continue,
            }
            last = last.max(number.unwrap_or_default());
        }
        found.sort();
        let next = last.saturating_add(1);
        let closed = found.into_iter().filter_map(|(_, path)| left_over(path)).collect();
        let folder = folder.to_path_buf();
        Ok(Self { folder, bytes_max, next, closed, open: None, given: 0, aside_bytes })
    }

    /// Appends as many of the records as there is room for, in their order, and gives back how many. They are on the
    /// disk when it returns.
    ///
    /// # Errors
    /// The disk's. None of the records counts as taken then, though some may be found again.
    pub fn append(&mut self, records: &[Record]) -> io::Result<usize> {
        let (frames, taken) = self.frames(records);
        if taken == 0 {
            return Ok(0);
        }
        let mut segment = match self.open.take() {
            Some(segment) => segment,
            None => self.begin()?,
        };
        match segment.file.write_all(&frames).and_then(|()| segment.file.sync_data()) {
            Ok(()) => segment.bytes += frames.len() as u64,
            Err(error) => {
                match segment.cut_off() {
                    Ok(()) => self.open = Some(segment),
                    Err(_) => self.closed.push_back(segment.torn(frames.len() as u64)),
                }
                return Err(error);
            }
        }
        match segment.bytes < SEGMENT_BYTES_MAX {
            true => self.open = Some(segment),
            false => self.closed.push_back(segment),
        }
        Ok(taken)
    }

    /// A batch of the oldest records, again and again the same until [`Journal::stored`] is called. Empty when there are
    /// none.
    ///
    /// # Errors
    /// The disk's. The segment is set aside: what comes next is from another.
    pub fn oldest(&mut self, share: Share) -> io::Result<Vec<Record>> {
        loop {
            let segment = match self.closed.front() {
                Some(segment) => segment,
                None => match self.open.take() {
                    Some(segment) => {
                        self.closed.push_back(segment);
                        continue;
                    }
                    None => return Ok(Vec::new()),
                },
            };
            let (records, given) = match segment.read(share) {
                Ok(read) => read,
                Err(error) => {
                    self.set_oldest_aside();
                    return Err(error);
                }
            };
            self.given = given;
            if !records.is_empty() {
                return Ok(records);
            }
            self.forget_oldest()?;
        }
    }

    /// What [`Journal::oldest`] gave last is in the store.
    ///
    /// # Errors
    /// The disk's: a segment that cannot be deleted will be replayed again one day.
    pub fn stored(&mut self) -> io::Result<()> {
        let given = std::mem::take(&mut self.given);
        match self.closed.front_mut() {
            Some(segment) if given >= segment.bytes => self.forget_oldest(),
            Some(segment) => {
                segment.stored = given.max(segment.stored);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What it holds for the store.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.closed.iter().chain(&self.open).map(|segment| segment.bytes).sum()
    }

    /// Whether nothing is left to replay.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.is_none()
    }

    /// The records as frames, as many as there is room for.
    fn frames(&self, records: &[Record]) -> (Vec<u8>, usize) {
        let header = if self.open.is_none() { VERSION.len() as u64 } else { 0 };
        let room = self.bytes_max.saturating_sub(self.bytes() + self.aside_bytes + header);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let (mut frames, mut taken) = (Vec::new(), 0);
        for record in records {
            let start = frames.len();
            frames.resize(start + FRAME_BYTES, 0);
            codec::encode(record, &mut frames);
            let body = &frames[start + FRAME_BYTES..];
            let (length, checksum) = (body.len(), xxh3_64(body));
            if frames.len() > room || length > RECORD_BYTES_MAX {
                frames.truncate(start);
                break;
            }
            let length = u32::try_from(length).expect("at most RECORD_BYTES_MAX");
            frames[start..start + 4].copy_from_slice(&length.to_le_bytes());
            frames[start + 4..start + FRAME_BYTES].copy_from_slice(&checksum.to_le_bytes());
            taken += 1;
        }
        (frames, taken)
    }

    /// A new segment with its header, its name on the disk.
    fn begin(&mut self) -> io::Result<Segment> {
        loop {
            let path = self.folder.join(format!("{:012}.{ENDING}", self.next));
            self.next += 1;
            let file = match File::options().read(true).append(true).create_new(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            match self.headed(&file) {
                Ok(true) => {
                    let bytes = VERSION.len() as u64;
                    return Ok(Segment { path, file, bytes, stored: bytes });
                }
                // Somebody who starts this moment has looked at it first; it is empty, and he deletes it.
                Ok(false) => {}
                Err(error) => {
                    // An empty one that stays is deleted at the next start.
                    let _ = fs::remove_file(&path);
                    return Err(error);
                }
            }
        }
    }

    /// Locks a new file and writes its header; false when somebody else has the lock.
    fn headed(&self, mut file: &File) -> io::Result<bool> {
        if !is_mine(file.try_lock())? {
            return Ok(false);
        }
        file.write_all(&VERSION)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(true)
    }

    fn forget_oldest(&mut self) -> io::Result<()> {
        let Some(segment) = self.closed.pop_front() else { return Ok(()) };
        fs::remove_file(&segment.path).inspect_err(|_| self.aside_bytes += segment.bytes)
    }

    /// Keeps the oldest segment for whoever can read it, and out of the way of the others.
    fn set_oldest_aside(&mut self) {
        let Some(segment) = self.closed.pop_front() else { return };
        self.aside_bytes += segment.bytes;
        let aside = segment.path.with_extension(ENDING_ASIDE);
        match fs::rename(&segment.path, &aside) {
            Ok(()) => {
                tracing::warn!(file = %aside.display(), "a segment of the journal is set aside")
            }
            // It is tried again at the next start.
            Err(error) => {
                tracing::warn!(%error, file = %segment.path.display(), "a segment cannot be set aside");
            }
        }
    }
}

/// Whether this process has the lock it tried to take. An error is one of the disk: it may know no locks at all.
fn is_mine(tried: Result<(), TryLockError>) -> io::Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A segment nobody writes to any more. None when somebody does, or when it cannot be read; those stay.
fn left_over(path: PathBuf) -> Option<Segment> {
    let found = File::open(&path).and_then(|file| {
        Ok(match (is_mine(file.try_lock())?, is_known(&file)?) {
            (false, _) => Err("is in use"),
            (true, false) => Err("is of another version"),
            (true, true) => Ok((file.metadata()?.len(), file)),
        })
    });
    let why = match found {
        Ok(Ok((bytes, file))) => {
            return Some(Segment { path, file, bytes, stored: VERSION.len() as u64 });
        }
        Ok(Err(why)) => why.to_owned(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(file = %path.display(), why, "a segment of the journal is left alone");
    None
}

/// Whether a segment is of this version. One without a header has nothing in it, and counts as known.
fn is_known(file: &File) -> io::Result<bool> {
    let mut version = [0; VERSION.len()];
    match file.read_exact_at(&mut version, 0) {
        Ok(()) => Ok(version == VERSION),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
        Err(error) => Err(error),
    }
}

impl Segment {
    /// Takes back what a failed append has left behind what counts.
    fn cut_off(&self) -> io::Result<()> {
        self.file.set_len(self.bytes)
    }

    /// With what a failed append of so many bytes has left, which counts as held and is read like any torn end.
    fn torn(mut self, appended_bytes: u64) -> Self {
        let longest = self.bytes + appended_bytes;
        self.bytes = self.file.metadata().map_or(longest, |file| file.len());
        self
    }

    /// Records from where the store has it, and how far that is. At a torn end, or a damaged frame, it ends.
    fn read(&self, share: Share) -> io::Result<(Vec<Record>, u64)> {
        let (mut batch, mut at) = (Batch::new(share), self.stored);
        while let Some((record, end)) = self.record(at)? {
            if !batch.has_room(&record) {
                return Ok((batch.into_records(), at));
            }
            batch.push(record);
            at = end;
        }
        if at < self.bytes {
            tracing::warn!(file = %self.path.display(), bytes = self.bytes - at, "a journal's torn end");
        }
        Ok((batch.into_records(), self.bytes))
    }

    /// The record at `at` and where the next one begins. None at the end of what is whole.
    fn record(&self, at: u64) -> io::Result<Option<(Record, u64)>> {
        let body_at = at + FRAME_BYTES as u64;
        if body_at > self.bytes {
            return Ok(None);
        }
        let mut frame = [0; FRAME_BYTES];
        self.file.read_exact_at(&mut frame, at)?;
        let (length, checksum) = frame.split_at(4);
        let length = u32::from_le_bytes(length.try_into().expect("4 bytes"));
        let checksum = u64::from_le_bytes(checksum.try_into().expect("8 bytes"));
        let end = body_at + u64::from(length);
        if end > self.bytes || length as usize > RECORD_BYTES_MAX {
            return Ok(None);
        }
        let mut body = vec![0; length as usize];
        self.file.read_exact_at(&mut body, body_at)?;
        let whole = xxh3_64(&body) == checksum;
        Ok(whole.then(|| codec::decode(&body)).flatten().map(|record| (record, end)))
    }
}

#[cfg(test)]
mod tests;
