//! Processes that tests start themselves: ended by their own number when dropped.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// How long a server may take to answer on a busy machine.
const START_SECONDS: u64 = 300;

/// The folder of virtualenvs, or nothing and a word on stderr.
pub(crate) fn venvs(what: &str) -> Option<PathBuf> {
    let venvs = std::env::var_os("MLARK_E2E_VENVS").map(PathBuf::from);
    if venvs.is_none() {
        eprintln!("SKIPPED: MLARK_E2E_VENVS is not set, so {what}");
    }
    venvs
}

/// A script of `fixtures/make`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/make")
        .join(name)
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The output of a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A process that listens on a port.
pub(crate) struct Listener {
    child: Child,
    pub(crate) port: u16,
}

impl Listener {
    /// Starts a command and waits until it listens.
    pub(crate) fn start(command: &mut Command, port: u16) -> Self {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut listener = Listener { child, port };
        for _ in 0..START_SECONDS * 10 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return listener;
            }
            let ended = listener.child.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended with {ended:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{command:?} does not listen on {port}");
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
