//! Connections: TLS, proxies, timeouts, and acknowledging at once.
//!
//! MLflow's servers send the head and the body of a response apart and, with several workers, without
//! TCP_NODELAY: the body then waits for the client's acknowledgement of the head, which Linux delays by 40 ms on an
//! idle connection. TCP_QUICKACK, set anew before each read, sends it at once.

use super::error::ClientError;
use super::options::{ClientOptions, TlsOptions};
use super::secure::SecureConnector;
use super::tls::{self, Check, TlsFiles};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::config::RedirectAuthHeaders;
use ureq::http::Uri;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout,
    RustlsConnector, Transport,
};

/// Servers close idle connections after 5 s (uvicorn's default); one that is about to be closed is not used.
const IDLE_AGE: Duration = Duration::from_secs(3);

/// The agent that sends requests.
pub(super) fn agent(options: &ClientOptions) -> Result<ureq::Agent, ClientError> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .user_agent(concat!("mlark/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls_config(&options.tls)?)
        .timeout_connect(Some(options.timeout.min(Duration::from_secs(30))))
        .timeout_recv_response(Some(options.timeout))
        .timeout_per_read(Some(options.timeout))
        .timeout_per_write(Some(options.timeout))
        .max_idle_age(IDLE_AGE)
        .max_idle_connections(options.connections)
        .max_idle_connections_per_host(options.connections)
        .build();
    let secure = secure(&options.tls)?;
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(TcpConnector)
            .chain(SecureConnector(secure))
            .chain(RustlsConnector::default());
    Ok(ureq::Agent::with_parts(
        config,
        connector,
        NameResolver(DefaultResolver::default()),
    ))
}

fn tls_config(options: &TlsOptions) -> Result<TlsConfig, ClientError> {
    let mut builder = TlsConfig::builder().disable_verification(options.insecure);
    if let Some(path) = &options.ca_path {
        let (certificates, _) = read_pem(path)?;
        builder = builder.root_certs(RootCerts::new_with_certs(&certificates));
    }
    if let Some(path) = &options.client_cert_path {
        let (certificates, key) = read_pem(path)?;
        let key = key.ok_or_else(|| {
            ClientError::config(format!(
                "`{}` holds a certificate but no private key",
                path.display()
            ))
        })?;
        builder = builder.client_cert(Some(ClientCert::new_with_certs(&certificates, key)));
    }
    Ok(builder.build())
}

/// The setup for a file of certificates.
fn secure(options: &TlsOptions) -> Result<Option<Arc<rustls::ClientConfig>>, ClientError> {
    let own = options.client_cert_path.as_deref();
    let files = TlsFiles {
        trusted: options.ca_path.as_deref(),
        own: own.map(|path| (path, path)),
    };
    if options.insecure || files.trusted.is_none() {
        return Ok(None);
    }
    let config = tls::config(&files, Check::SignerAndName).map_err(ClientError::config)?;
    Ok(Some(Arc::new(config)))
}

type Pem = (Vec<Certificate<'static>>, Option<PrivateKey<'static>>);

fn read_pem(path: &Path) -> Result<Pem, ClientError> {
    let bad = |detail: &dyn fmt::Display| {
        ClientError::config(format!(
            "cannot use certificate file `{}`: {detail}",
            path.display()
        ))
    };
    let bytes = std::fs::read(path).map_err(|error| bad(&error))?;
    let (mut certificates, mut key) = (Vec::new(), None);
    for item in parse_pem(&bytes) {
        match item.map_err(|error| bad(&error))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            PemItem::PrivateKey(found) => key = Some(found),
            _ => {}
        }
    }
    if certificates.is_empty() {
        return Err(bad(&"there is no PEM certificate in it"));
    }
    Ok((certificates, key))
}

/// Looks up names. Whatever goes wrong there, no server was found.
#[derive(Debug)]
struct NameResolver(DefaultResolver);

impl Resolver for NameResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let resolved = self.0.resolve(uri, config, timeout);
        // The system's error has no kind by which it could be told from that of a broken connection.
        resolved.map_err(|error| match error {
            ureq::Error::Io(_) => ureq::Error::HostNotFound,
            error => error,
        })
    }
}

/// Opens TCP connections.
#[derive(Debug)]
struct TcpConnector;

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, QuickAck>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(transport) = chained {
            return Ok(Some(Either::A(transport)));
        }
        let mut last_error = ureq::Error::ConnectionFailed;
        for address in &details.addrs {
            let connected = match details.timeout.not_zero() {
                Some(timeout) => TcpStream::connect_timeout(address, *timeout),
                None => TcpStream::connect(address),
            };
            match connected.and_then(|stream| QuickAck::new(stream, details)) {
                Ok(transport) => return Ok(Some(Either::B(transport))),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    last_error = ureq::Error::Timeout(ureq::Timeout::Connect);
                }
                Err(error) => last_error = error.into(),
            }
        }
        Err(last_error)
    }
}

/// A connection that acknowledges at once what it receives.
#[derive(Debug)]
struct QuickAck {
    stream: TcpStream,
    buffers: LazyBuffers,
    pace: Pace,
}

impl QuickAck {
    fn new(stream: TcpStream, details: &ConnectionDetails<'_>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let config = details.config;
        Ok(QuickAck {
            stream,
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            pace: Pace {
                timeout: config.timeout_per_read(),
                ..Pace::default()
            },
        })
    }
}

/// Bytes that must move in each timeout, so that a few now and then keep nothing alive.
const PACE_BYTES: u64 = 64 << 10;

/// How fast bytes move in one direction of a connection, while somebody waits for them.
#[derive(Debug, Default)]
struct Pace {
    direction: Option<Direction>,
    waited: Duration,
    moved_bytes: u64,
    timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Out,
    In,
}

impl Pace {
    /// Tells of bytes that moved after a wait; false where they are too few. The first after a turn may take as long as
    /// the timeout, and say nothing of what follows.
    fn keeps_up(&mut self, direction: Direction, waited: Duration, moved: usize) -> bool {
        if self.direction != Some(direction) {
            self.direction = Some(direction);
            (self.waited, self.moved_bytes) = (Duration::ZERO, 0);
            return true;
        }
        self.waited += waited;
        self.moved_bytes += moved as u64;
        if self.timeout.is_none_or(|timeout| self.waited < timeout) {
            return true;
        }
        let keeps_up = self.moved_bytes >= PACE_BYTES;
        (self.waited, self.moved_bytes) = (Duration::ZERO, 0);
        keeps_up
    }
}

/// The timeout of a socket; what is over already becomes the shortest there is.
fn socket_timeout(timeout: NextTimeout) -> Option<Duration> {
    let left = (!timeout.after.is_not_happening()).then(|| *timeout.after);
    left.map(|left| left.max(Duration::from_millis(1)))
}

fn or_timeout(error: io::Error, timeout: NextTimeout) -> ureq::Error {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ureq::Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}

impl Transport for QuickAck {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let timeout = timeout.for_write();
        self.stream.set_write_timeout(socket_timeout(timeout))?;
        let mut sent = 0;
        while sent < amount {
            let began = Instant::now();
            let output = &self.buffers.output()[sent..amount];
            let written = match self.stream.write(output) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                written => written.map_err(|error| or_timeout(error, timeout))?,
            };
            sent += written;
            if !self.pace.keeps_up(Direction::Out, began.elapsed(), written) {
                return Err(ureq::Error::Timeout(ureq::Timeout::PerWrite));
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let timeout = timeout.for_read();
        self.stream.set_read_timeout(socket_timeout(timeout))?;
        #[cfg(target_os = "linux")]
        // Only speed depends on it.
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.stream, true);
        let input = self.buffers.input_append_buf();
        let began = Instant::now();
        let read = loop {
            match self.stream.read(input) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(|error| or_timeout(error, timeout))?,
            }
        };
        self.buffers.input_appended(read);
        if !self.pace.keeps_up(Direction::In, began.elapsed(), read) {
            return Err(ureq::Error::Timeout(ureq::Timeout::PerRead));
        }
        Ok(read > 0)
    }

    /// Nothing may have come, the end least of all.
    fn is_open(&mut self) -> bool {
        let peeked = self
            .stream
            .set_nonblocking(true)
            .and_then(|()| self.stream.peek(&mut [0]));
        let is_quiet = matches!(&peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        is_quiet && self.stream.set_nonblocking(false).is_ok()
    }
}
