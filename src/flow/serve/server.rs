//! `mlflow server` over a session, on this machine alone, and its end.

use super::{Mlflow, ServeError, Session};
use crate::archive::ArchiveError;
use crate::platform::{EndRequest, end_group, has_group, own_group};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(180);
/// How long one may take to end by itself.
const END: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes of a log that are looked at for its last lines.
const TAIL_BYTES: u64 = 1 << 14;
const TAIL_LINES: usize = 12;

/// How a server ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was asked to.
    Asked,
    /// By itself; the last lines of what it said.
    ByItself(String),
}

/// A server that is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    is_over: bool,
}

impl Server {
    /// Starts a server over a session; on a free port unless one is named.
    ///
    /// # Errors
    /// The port is taken, or the program cannot be run.
    pub(crate) fn start(mlflow: &Mlflow, session: &Session, port: Option<u16>) -> Result<Self, ServeError> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(0)));
        let free = TcpListener::bind(wanted).and_then(|listener| listener.local_addr());
        let address = free.map_err(|source| ServeError::Port {
            port: wanted.port(),
            source,
        })?;
        let log = session.folder().join("server.log");
        let out = File::create(&log).map_err(ArchiveError::io("create", &log))?;
        let err = out.try_clone().map_err(ArchiveError::io("open", &log))?;
        let mut command = mlflow.command();
        command
            .arg("server")
            .args(["--backend-store-uri", &session.database_uri()])
            .arg("--artifacts-destination")
            .arg(&session.artifacts)
            .arg("--serve-artifacts")
            // It is for one person, and several would be ended and begun again where the machine is busy.
            .args(["--workers", "1"])
            .args([
                "--host",
                &address.ip().to_string(),
                "--port",
                &address.port().to_string(),
            ])
            .current_dir(session.folder())
            .stdout(out)
            .stderr(err);
        // All of it is ended, and Ctrl-C reaches this program alone.
        own_group(&mut command);
        if session.has_workspaces {
            command.arg("--enable-workspaces");
        }
        let child = command.spawn().map_err(|source| mlflow.cannot_run(source))?;
        Ok(Server {
            child,
            address,
            log,
            is_over: false,
        })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until it answers; none where it was asked to end before.
    ///
    /// # Errors
    /// It ends before, or it takes too long.
    pub(crate) fn wait_until_ready(
        &mut self,
        is_asked_to_end: &dyn Fn() -> bool,
    ) -> Result<Option<()>, ServeError> {
        let begin = Instant::now();
        while !answers(self.address) {
            if is_asked_to_end() {
                return Ok(None);
            }
            if self.has_ended()?.is_some() {
                return Err(self.died());
            }
            if begin.elapsed() > START {
                return Err(ServeError::Silent {
                    seconds: START.as_secs(),
                    said: self.said(),
                });
            }
            sleep(LOOK);
        }
        // Another server may have taken the port, and answer in its place.
        match self.has_ended()? {
            Some(_) => Err(self.died()),
            None => Ok(Some(())),
        }
    }

    /// Waits for its end, or until it is asked to end.
    ///
    /// # Errors
    /// The system does not tell of it.
    pub(crate) fn wait(mut self, is_asked_to_end: &dyn Fn() -> bool) -> Result<Ended, ServeError> {
        loop {
            if is_asked_to_end() {
                self.end();
                return Ok(Ended::Asked);
            }
            if self.has_ended()?.is_some() {
                return Ok(Ended::ByItself(self.said()));
            }
            sleep(LOOK);
        }
    }

    fn has_ended(&mut self) -> Result<Option<ExitStatus>, ServeError> {
        let status = self.child.try_wait();
        Ok(status.map_err(ArchiveError::io("wait for", &self.log))?)
    }

    fn died(&self) -> ServeError {
        ServeError::Died {
            what: "`mlflow server`",
            said: self.said(),
        }
    }

    /// The last lines of its log.
    fn said(&self) -> String {
        let tail = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.log)?;
            let size = fs::metadata(&self.log)?.len();
            file.seek(SeekFrom::Start(size.saturating_sub(TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        last_lines(&tail().unwrap_or_default())
    }

    /// Ends it and all that it started.
    fn end(&mut self) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        // Its workers outlive it where it ended by itself.
        end_group(&mut self.child, EndRequest::Kindly);
        let begin = Instant::now();
        while begin.elapsed() < END {
            let is_over = !matches!(self.child.try_wait(), Ok(None));
            if is_over && !has_group(&self.child) {
                return;
            }
            sleep(LOOK);
        }
        end_group(&mut self.child, EndRequest::AtOnce);
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The last lines of what a program said.
pub(super) fn last_lines(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// Whether a server says that it is well.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(
            format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head.starts_with(b"HTTP/1.") && head.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}
