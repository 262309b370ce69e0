//! What the server runs on, and what it does where io_uring is refused: by a seccomp filter, as container engines
//! install one, or by a small limit of locked memory. Real processes.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]
#![allow(
    unsafe_code,
    reason = "what a child gives up before it becomes the server has no safe wrapper in std"
)]

mod api_support;
mod process_support;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::process::Output;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use api_support::exchange;
use api_support::v4;
use process_support::Running;
use process_support::command;

const SERVE: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// `io_uring_setup(2)`, on every architecture.
const IO_URING_SETUP: u32 = 425;
/// Of Linux's `audit.h`.
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const AUDIT_ARCH_AARCH64: u32 = 0xc000_00b7;
/// The user without rights, by convention.
const NOBODY: u32 = 65_534;
/// Too little for two rings of a thousand entries, enough for small ones.
const MEMLOCK_BYTES: u64 = 64 << 10;

/// Asks for a character, so that the driver has done its work, and gives what runs according to the server's
/// description and to its metrics.
fn driver_of(server: &Running) -> String {
    let reply = exchange(server.address, "GET", &v4("강은호"), &[], b"");
    assert_eq!((reply.status, &reply.json()["userIgn"]), (200, &"강은호".into()));
    let info = exchange(server.address, "GET", "/actuator/info", &[], b"").json();
    assert_eq!(info["upstream"]["kind"], "simulator");
    let driver = info["runtime"]["driver"].as_str().unwrap().to_owned();
    let metrics = exchange(server.address, "GET", "/actuator/prometheus", &[], b"").text();
    let series = format!("maple_runtime_driver{{shard=\"0\",kind=\"{driver}\"}} 1");
    assert!(metrics.lines().any(|line| line == series), "no {series} in\n{metrics}");
    driver
}

/// Lets io_uring_setup fail with EPERM in the child and in what it becomes, and nothing else.
fn refuse_io_uring() -> io::Result<()> {
    let rule = |code: u32, (jt, jf): (u8, u8), k: u32| libc::sock_filter {
        code: u16::try_from(code).expect("BPF codes are short"),
        jt,
        jf,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let arch = if cfg!(target_arch = "aarch64") { AUDIT_ARCH_AARCH64 } else { AUDIT_ARCH_X86_64 };
    let mut program = [
        // seccomp_data: the call's number at 0, the architecture at 4.
        rule(load, (0, 0), 4),
        rule(equal, (0, 3), arch),
        rule(load, (0, 0), 0),
        rule(equal, (0, 1), IO_URING_SETUP),
        rule(answer, (0, 0), libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned()),
        rule(answer, (0, 0), libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 6, filter: program.as_mut_ptr() };
    // SAFETY: the first call takes no pointer; the second reads the program, which lives until it returns.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The server with `refuse_io_uring` done before it starts.
fn without_io_uring(arguments: &[&str]) -> Command {
    let mut command = command(&[&SERVE, arguments].concat());
    // SAFETY: between fork and exec it makes system calls only and allocates nothing.
    unsafe { command.pre_exec(refuse_io_uring) };
    command
}

/// Runs to its end, which must come soon.
fn ends_by_itself(mut command: Command) -> Output {
    let (stdout, stderr) = (std::process::Stdio::piped(), std::process::Stdio::piped());
    let child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(child.wait_with_output()));
    told.recv_timeout(Duration::from_secs(5)).map(Result::unwrap).unwrap_or_else(|_| {
        // SAFETY: a plain system call; the child has not been waited for, so the id is its own.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        panic!("still runs after 5 s");
    })
}

#[test]
fn either_driver_serves_and_says_which_it_is() {
    for driver in ["auto", "epoll"] {
        let server = Running::start(&[&SERVE[..], &["--driver", driver]].concat(), "address=");
        let runs = driver_of(&server);
        assert_eq!(runs == "epoll", driver == "epoll", "{runs}");
        assert_eq!(server.terminate(), Some(0));
    }
}

#[test]
fn where_io_uring_is_forbidden_epoll_serves_and_the_log_says_so() {
    let mut server = Running::spawn(&mut without_io_uring(&[]), "address=");
    assert_eq!(driver_of(&server), "epoll");
    let log = server.log();
    assert!(log.contains("driver=epoll"), "{log}");
    assert!(log.contains("Operation not permitted"), "the reason is missing: {log}");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn io_uring_asked_for_and_forbidden_refuses_the_start() {
    let output = ends_by_itself(without_io_uring(&["--driver", "io_uring"]));
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("Operation not permitted"), "{log}");
}

#[test]
fn a_small_limit_of_locked_memory_costs_ring_size_not_service() {
    let folder = tempfile::tempdir().unwrap();
    // Root may lock whatever it wants: as root the server is copied to where nobody may run it, and run as nobody.
    // SAFETY: takes nothing, gives a number, cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    let mut command = if is_root {
        let copy = folder.path().join("server");
        fs::copy(env!("CARGO_BIN_EXE_maple-expectation"), &copy).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let mut command = Command::new(copy);
        command.uid(NOBODY).gid(NOBODY).current_dir(folder.path());
        command
    } else {
        command(&[])
    };
    command.args(SERVE).args(["--driver", "io_uring"]);
    command.env_remove("NEXON_API_KEY").env("MAPLE_STORE_KIND", "none");
    let lower = || {
        let limit = libc::rlimit { rlim_cur: MEMLOCK_BYTES, rlim_max: MEMLOCK_BYTES };
        // SAFETY: the pointer is to a live rlimit.
        match unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: between fork and exec it makes one system call and allocates nothing.
    unsafe { command.pre_exec(lower) };
    let server = Running::spawn(&mut command, "address=");
    let runs = driver_of(&server);
    assert!(runs.starts_with("io_uring"), "{runs}");
    assert_ne!(runs, "io_uring-defer", "rings of full size cannot have been granted");
    assert_eq!(server.terminate(), Some(0));
}
