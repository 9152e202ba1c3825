//! The yardstick of server exports: sends a list of requests over keep-alive connections and drops the answers.
//!
//! usage: `bare_http HOST:PORT CONNECTIONS LIST`; a line of LIST is `GET PATH` or `POST PATH<TAB>JSON`. No retries, no
//! parsing, no TLS: what a server needs at least for these calls, asked so often at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

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

    /// Sends one request and drops the answer; false where the server closes the connection after it.
    fn ask(&mut self, host: &str, line: &str) -> std::io::Result<(u64, bool)> {
        let (head, body) = line.split_once('\t').unwrap_or((line, ""));
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes())?;
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
        std::io::copy(&mut (&mut self.reader).take(size), &mut std::io::sink())?;
        Ok((size, keeps))
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

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, address, connections, list] = &arguments[..] else {
        return Err(std::io::Error::other(
            "usage: bare_http HOST:PORT CONNECTIONS LIST",
        ));
    };
    let lines: Arc<Vec<String>> = Arc::new(
        std::fs::read_to_string(list)?
            .lines()
            .map(str::to_owned)
            .collect(),
    );
    let (next, total) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(0)));
    let threads: Vec<_> = (0..connections.parse::<usize>().map_err(std::io::Error::other)?)
        .map(|_| {
            let (address, lines, next, total) = (address.clone(), lines.clone(), next.clone(), total.clone());
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut connection = Connection::open(&address)?;
                while let Some(line) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (size, keeps) = connection.ask(&address, line)?;
                    *total.lock().expect("no thread panics with it") += size;
                    if !keeps {
                        connection = Connection::open(&address)?;
                    }
                }
                Ok(())
            })
        })
        .collect();
    for thread in threads {
        thread
            .join()
            .map_err(|_| std::io::Error::other("a thread panicked"))??;
    }
    println!(
        "{} requests, {} bytes",
        lines.len(),
        total.lock().expect("all threads are done")
    );
    Ok(())
}
