//! What the operating system grants this process: cores to run on, descriptors to open. Asked once at start,
//! before any thread is pinned. Changes nothing but the soft descriptor limit and the size of this process's pages.

#![allow(
    unsafe_code,
    reason = "sched_getaffinity, get/setrlimit and prctl have no safe wrapper in std"
)]

use std::io;
use std::mem;

use crate::ShardId;

/// The cores this thread may run on, ascending. In a container these need not start at zero.
///
/// # Errors
/// When the kernel refuses to say.
pub fn allowed_cores() -> io::Result<Vec<usize>> {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a live cpu_set_t of the size given.
    let failed = unsafe { libc::sched_getaffinity(0, mem::size_of_val(&set), &raw mut set) };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    let cores_max = usize::try_from(libc::CPU_SETSIZE).expect("a positive constant");
    // SAFETY: `core` is below CPU_SETSIZE, the number of bits in the set.
    Ok((0..cores_max).filter(|&core| unsafe { libc::CPU_ISSET(core, &set) }).collect())
}

/// The core to pin `shard` to: its own, or none when there are more shards than cores.
#[must_use]
pub fn core_of(shard: ShardId, shards: u16, allowed: &[usize]) -> Option<usize> {
    if usize::from(shards) > allowed.len() { None } else { allowed.get(shard.index()).copied() }
}

/// Raises the soft limit of open descriptors to the hard one; gives the limit that now holds.
///
/// # Errors
/// When the kernel refuses; the limit is then unchanged.
pub fn raise_fd_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above; the soft limit is within the hard one.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

/// Keeps the kernel from backing this process with huge pages.
///
/// The allocator asks for them, and then a page of 2 MiB stays resident for the few kilobytes in it that live: 5,000
/// cached characters occupied 196 MB with huge pages and 140 MB without, at the same requests per second.
///
/// # Errors
/// When the kernel refuses.
pub fn refuse_huge_pages() -> io::Result<()> {
    // SAFETY: takes no pointers.
    if unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_core_for_each_shard_or_none_for_any() {
        let allowed = [2, 5, 6];
        let pinned = |shards| ShardId::all(shards).map(|s| core_of(s, shards, &allowed)).collect();
        let three: Vec<_> = pinned(3);
        assert_eq!(three, [Some(2), Some(5), Some(6)]);
        let four: Vec<_> = pinned(4);
        assert_eq!(four, [None; 4]);
    }

    #[test]
    fn the_kernel_grants_a_core_and_descriptors() {
        assert!(!allowed_cores().unwrap().is_empty());
        let limit = raise_fd_limit().unwrap();
        assert_eq!(raise_fd_limit().unwrap(), limit);
        assert!(limit >= 64);
    }

    #[test]
    fn huge_pages_can_be_refused() {
        refuse_huge_pages().unwrap();
        // SAFETY: takes no pointers.
        assert_eq!(unsafe { libc::prctl(libc::PR_GET_THP_DISABLE, 0, 0, 0, 0) }, 1);
    }
}
