//! Child processes that do not outlive this one, however it ends: the kernel kills them (PR_SET_PDEATHSIG).
//! They are no members of the terminal's group either, so that Ctrl-C reaches this process alone.

#![allow(unsafe_code, reason = "the death signal is asked for between fork and exec")]

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Child;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::mpsc;
use std::thread;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::WaitId;
use rustix::process::WaitIdOptions;

/// Starts a child that the kernel kills when this process ends.
///
/// # Errors
/// Those of [`Command::spawn`].
pub fn spawn(mut command: Command) -> io::Result<Child> {
    let parent = rustix::process::getpid();
    let promise = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // It ended before the promise was made: nobody would send the signal any more.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(promise) };
    command.process_group(0);
    let (started, answer) = mpsc::channel();
    let gone = |_| io::Error::other("the thread that starts children has gone");
    STARTER.send(Order { command, started }).map_err(|_| gone(mpsc::RecvError))?;
    answer.recv().map_err(gone)?
}

/// Whether a child that was sent SIGSTOP stands still, asked once per signal: the kernel tells the parent when the last
/// thread has stopped (waitid(2)).
pub(crate) fn stopped(child: &Child) -> io::Result<Option<()>> {
    let stops = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    Ok(rustix::process::waitid(WaitId::Pid(Pid::from_child(child)), stops)?.map(drop))
}

struct Order {
    command: Command,
    started: mpsc::Sender<io::Result<Child>>,
}

/// The thread that starts every child. The signal comes when the *thread* that started the child ends (prctl(2)):
/// that of a test ends with its test, this one with the process.
static STARTER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (sender, orders) = mpsc::channel::<Order>();
    thread::spawn(move || {
        for Order { mut command, started } in orders {
            // The caller waits for it.
            let _ = started.send(command.spawn());
        }
    });
    sender
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_child_is_seen_to_stand_once() {
        let mut command = Command::new("sleep");
        command.arg("60");
        let mut child = spawn(command).unwrap();
        assert!(stopped(&child).unwrap().is_none());
        rustix::process::kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
        while stopped(&child).unwrap().is_none() {}
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let asked = thread::spawn(|| {
            let mut command = Command::new("sleep");
            command.arg("60");
            spawn(command).unwrap()
        });
        let mut child = asked.join().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
