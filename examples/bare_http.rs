//! The yardstick of server exports and imports: sends a list of requests over keep-alive connections and drops the answers.
//!
//! usage: `bare_http HOST:PORT CONNECTIONS LIST`; a line of LIST is `GET PATH`, `POST PATH<TAB>JSON` or `PUT PATH<TAB>@FILE`. A line
//! that begins with `+` is sent after the one before it, over the same connection, and `{run_id}` in it is the run id that
//! the first answer of that chain named. No retries, no parsing beyond that, no TLS: what a server needs at least for these
//! calls, asked so often at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Connection {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn open(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let reader = BufReader::with_capacity(256 << 10, stream.try_clone()?);
        Ok(Connection { stream, reader })
    }

    /// Sends one request; the answer, and false where the server closes the connection after it.
    fn ask(&mut self, host: &str, line: &str) -> std::io::Result<(Vec<u8>, bool)> {
        let (head, body) = line.split_once('\t').unwrap_or((line, ""));
        let body = match body.strip_prefix('@') {
            Some(file) => std::fs::read(file)?,
            None => body.as_bytes().to_vec(),
        };
        let length = body.len();
        let mut request = format!(
            "{head} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend(body);
        self.stream.write_all(&request)?;
        let (mut size, mut keeps) = (0, true);
        let mut status = String::new();
        self.read_line(&mut status)?;
        if !status.contains(" 200 ") {
            return Err(std::io::Error::other(format!("{head}: {status}")));
        }
        loop {
            let mut header = String::new();
            self.read_line(&mut header)?;
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                size = value.trim().parse().map_err(std::io::Error::other)?;
            }
            keeps &= header != "connection: close";
        }
        quick_ack(&self.stream);
        let mut answer = Vec::new();
        (&mut self.reader).take(size).read_to_end(&mut answer)?;
        Ok((answer, keeps))
    }

    fn read_line(&mut self, line: &mut String) -> std::io::Result<()> {
        quick_ack(&self.stream);
        match self.reader.read_line(line)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn quick_ack(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_tcp_quickack(stream, true);
}

/// The id of a run that an answer names.
fn run_id(answer: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(answer).ok()?;
    let (_, rest) = text.split_once("\"run_id\": \"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// Sends one chain of requests; the bytes of its answers.
fn send_chain(connection: &mut Connection, host: &str, chain: &[&str]) -> std::io::Result<usize> {
    let (mut total, mut id): (usize, Option<String>) = (0, None);
    for line in chain {
        let line = match &id {
            Some(id) => std::borrow::Cow::Owned(line.replace("{run_id}", id)),
            None => std::borrow::Cow::Borrowed(*line),
        };
        let (answer, keeps) = connection.ask(host, line.trim_start_matches('+'))?;
        total += answer.len();
        id = id.or_else(|| run_id(&answer).filter(|_| chain.len() > 1));
        if !keeps {
            *connection = Connection::open(host)?;
        }
    }
    Ok(total)
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, address, connections, list] = &arguments[..] else {
        return Err(std::io::Error::other(
            "usage: bare_http HOST:PORT CONNECTIONS LIST",
        ));
    };
    let connections = connections.parse::<usize>().map_err(std::io::Error::other)?;
    let list = std::fs::read_to_string(list)?;
    let lines: Vec<&str> = list.lines().collect();
    let chains: Vec<&[&str]> = lines.chunk_by(|_, next| next.starts_with('+')).collect();
    let (next, total) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let work = || -> std::io::Result<()> {
            let mut connection = Connection::open(address)?;
            while let Some(chain) = chains.get(next.fetch_add(1, Ordering::Relaxed)) {
                total.fetch_add(send_chain(&mut connection, address, chain)?, Ordering::Relaxed);
            }
            Ok(())
        };
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, std::io::Result<()>>| {
            thread
                .join()
                .map_err(|_| std::io::Error::other("a thread panicked"))?
        };
        threads.into_iter().try_for_each(join)
    })?;
    println!("{} requests, {} bytes", lines.len(), total.into_inner());
    Ok(())
}
