//! What a process has used, from `/proc`, and what a measuring thread asks of the kernel: precise timers, a core.

#![allow(unsafe_code, reason = "sysconf, prctl and sched_setaffinity have no safe wrapper in std")]

use std::fs;
use std::io;
use std::mem;
use std::time::Duration;

/// CPU time, user and system, of a process and of its children that still run (nginx works in its children).
///
/// # Errors
/// When there is no such process.
pub(crate) fn cpu(pid: u32) -> io::Result<Duration> {
    let mut ticks = stat(pid)?.ticks;
    for entry in fs::read_dir("/proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process that ends meanwhile is no child that still runs.
        if let Ok(stat) = stat(child)
            && stat.parent == pid
        {
            ticks += stat.ticks;
        }
    }
    Ok(Duration::from_secs_f64(ticks as f64 / ticks_per_second()))
}

/// CPU time of this process.
///
/// # Errors
/// When `/proc` is not there.
pub(crate) fn own_cpu() -> io::Result<Duration> {
    let ticks = stat(std::process::id())?.ticks;
    Ok(Duration::from_secs_f64(ticks as f64 / ticks_per_second()))
}

/// Resident memory of a process, bytes.
///
/// # Errors
/// When there is no such process.
pub(crate) fn resident_bytes(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other(format!("process {pid} has no memory")))
}

/// Lets the calling thread's timers end when they are due. By default the kernel may add 50 us to each, which an
/// open loop would report as latency.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn precise_timers() -> io::Result<()> {
    let nanoseconds: libc::c_ulong = 1;
    // SAFETY: takes numbers only.
    let failed = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanoseconds) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Keeps the calling thread on one core.
///
/// # Errors
/// When it may not run there.
pub(crate) fn pin_to(core: usize) -> io::Result<()> {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    if core >= 8 * mem::size_of_val(&set) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the set has a bit for `core`.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: the pointer is to a live cpu_set_t of the size given; 0 is the calling thread.
    let failed = unsafe { libc::sched_setaffinity(0, mem::size_of_val(&set), &raw const set) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

struct Stat {
    parent: u32,
    ticks: u64,
}

fn stat(pid: u32) -> io::Result<Stat> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&line).ok_or_else(|| io::Error::other(format!("cannot read /proc/{pid}/stat")))
}

/// Fields as in proc_pid_stat(5). The second, the name, may hold blanks and brackets: count behind its last one.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let mut times = fields.skip(9);
    let (user, system): (u64, u64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some(Stat { parent, ticks: user + system })
}

fn ticks_per_second() -> f64 {
    // SAFETY: takes a number only.
    (unsafe { libc::sysconf(libc::_SC_CLK_TCK) }) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_look_like_fields() {
        let line = "7 (a) S 9 (b)) R 41 7 7 0 -1 4194560 1 0 0 0 300 25 9 9 20 0 1 0 5 6 7";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.parent, stat.ticks), (41, 325));
        assert!(parse_stat("7 (a) S 1 2").is_none());
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        let before = own_cpu().unwrap();
        let mut sum = 0_u64;
        while own_cpu().unwrap() == before {
            sum = (0..10_000).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
        assert!(cpu(std::process::id()).unwrap() > before);
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000);
        precise_timers().unwrap();
    }
}
