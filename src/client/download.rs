//! Bytes as they come, taken up again where a connection broke.

use super::error::ClientError;
use super::retry::Retries;
use super::{Client, Path, Repeat, Request};
use std::io::{self, Read};
use ureq::http::{HeaderMap, Method, Response, header};

/// Bytes after which a download that broke has got on, and may break as often as at its beginning.
const PROGRESS_BYTES: u64 = 16 << 20;

/// The part of a resource that an answer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    offset: u64,
    etag: Option<String>,
    size_bytes: Option<u64>,
}

impl Range {
    /// What an answer says of itself.
    pub(super) fn of<B>(response: &Response<B>) -> Self {
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let content_range = text(header::CONTENT_RANGE).filter(|_| response.status() == 206);
        let offset = content_range.and_then(|range| {
            let range = range.strip_prefix("bytes")?.trim_start().split('-').next()?;
            range.parse().ok()
        });
        Range {
            offset: offset.unwrap_or(0),
            etag: text(header::ETAG).map(str::to_owned),
            size_bytes: text(header::CONTENT_LENGTH).and_then(|size| size.parse().ok()),
        }
    }
}

/// An answer's bytes. When the connection breaks, the rest is asked for, where the resource is still the same.
pub struct Download {
    client: Client,
    url: String,
    query: String,
    headers: HeaderMap,
    reader: Box<dyn Read + Send>,
    etag: Option<String>,
    size_bytes: Option<u64>,
    read_bytes: u64,
    /// Bytes that had come when it broke last.
    broke_at: u64,
    retries: Retries,
}

impl Download {
    pub(super) fn new(
        client: Client,
        url: String,
        query: String,
        headers: HeaderMap,
        response: Response<ureq::Body>,
        range: Range,
    ) -> Self {
        Download {
            retries: Retries::new(&client.options, None),
            client,
            url,
            query,
            headers,
            reader: reader_of(response),
            etag: range.etag,
            size_bytes: range.size_bytes,
            read_bytes: 0,
            broke_at: 0,
        }
    }

    /// Size, where the server said it.
    pub fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }

    /// Asks for the rest after a failure, as often as the client repeats requests.
    fn resume(&mut self, failure: io::Error) -> io::Result<()> {
        // A long download may break often, as long as it gets on between.
        if self.read_bytes - self.broke_at >= PROGRESS_BYTES {
            self.retries = Retries::new(&self.client.options, None);
        }
        self.broke_at = self.read_bytes;
        loop {
            let Some(wait) = self.retries.next(None) else {
                return Err(failure);
            };
            let shown = &self.url;
            self.client.notice(format!(
                "GET {shown} broke off after {} bytes: {failure}; continuing",
                self.read_bytes
            ));
            self.client.pause(wait);
            match self.ask_for_rest() {
                Ok(()) => return Ok(()),
                Err(Rest::Changed) => return Err(io::Error::other("it changed while it was read")),
                Err(Rest::Failed) if self.client.is_stopped() => return Err(failure),
                Err(Rest::Failed) => {}
            }
        }
    }

    fn ask_for_rest(&mut self) -> Result<(), Rest> {
        let mut request = Request::new(&self.client, Method::GET, Path::root(""), Repeat::Safe)
            .at(self.url.clone(), self.query.clone())
            .with_headers(self.headers.clone())
            .header("range", &format!("bytes={}-", self.read_bytes));
        request = request.streamed();
        if let Some(etag) = &self.etag {
            request = request.header("if-range", etag);
        }
        let response = request.try_once().map_err(|_| Rest::Failed)?;
        let range = Range::of(&response);
        if self.etag.is_some() && range.etag != self.etag {
            return Err(Rest::Changed);
        }
        let skipped = self.read_bytes.checked_sub(range.offset).ok_or(Rest::Changed)?;
        let mut reader = reader_of(response);
        let read = io::copy(&mut (&mut reader).take(skipped), &mut io::sink());
        if read.map_err(|_| Rest::Failed)? != skipped {
            return Err(Rest::Changed);
        }
        self.reader = reader;
        Ok(())
    }
}

/// A reader that fails beyond so many bytes: an answer need not say how long it is, and need not end.
pub(crate) struct AtMost<R> {
    reader: R,
    limit: u64,
    read_bytes: u64,
}

impl<R: Read> AtMost<R> {
    /// Reads up to `limit` bytes.
    pub(crate) fn new(reader: R, limit: u64) -> Self {
        AtMost {
            reader,
            limit,
            read_bytes: 0,
        }
    }
}

impl<R: Read> Read for AtMost<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.read_bytes = self.read_bytes.saturating_add(read as u64);
        if self.read_bytes > self.limit {
            Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it has more than {} bytes", self.limit),
            ))
        } else {
            Ok(read)
        }
    }
}

/// Why the rest does not come.
enum Rest {
    Changed,
    Failed,
}

fn reader_of(response: Response<ureq::Body>) -> Box<dyn Read + Send> {
    Box::new(response.into_body().into_with_config().limit(u64::MAX).reader())
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(buffer) {
                Ok(read) => {
                    self.read_bytes += read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.resume(error)?,
            }
        }
    }
}

impl From<ClientError> for io::Error {
    fn from(error: ClientError) -> Self {
        let kind = match error.status() {
            Some(404) => io::ErrorKind::NotFound,
            Some(401 | 403) => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_read_to_a_bound() {
        let mut read = Vec::new();
        let error = AtMost::new(io::repeat(b' '), 100_000).read_to_end(&mut read);
        assert_eq!(
            error.expect_err("it is endless").kind(),
            io::ErrorKind::FileTooLarge
        );
        assert!(read.len() <= 100_000);
        let whole = AtMost::new(&b"whole"[..], 5).read_to_end(&mut read);
        assert_eq!(whole.expect("it is within the bound"), 5);
    }
}
