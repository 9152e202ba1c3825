//! A bucket in memory that speaks as much of S3 as mlark asks, and fails as a test says.

use super::loopback::{Answer, Loopback, Received};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

type Parts = BTreeMap<usize, Vec<u8>>;

/// What is in it.
#[derive(Default)]
pub struct Kept {
    pub objects: BTreeMap<String, Vec<u8>>,
    /// Keys and parts of uploads that are under way, by their ids.
    pub uploads: BTreeMap<String, (String, Parts)>,
    begun: usize,
}

/// A request, and what it is about.
pub struct Asked<'r> {
    pub request: &'r Received,
    /// Without the bucket.
    pub key: String,
    pub query: BTreeMap<String, String>,
}

impl Asked<'_> {
    /// Whether it carries a part of an upload.
    pub fn is_part(&self) -> bool {
        self.request.method == "PUT" && self.query.contains_key("partNumber")
    }
}

/// Answers instead of the bucket, where it likes.
type Fault = dyn Fn(&Asked<'_>, &Kept) -> Option<Answer> + Send + Sync;

pub struct Bucket {
    server: Loopback,
    pub kept: Arc<Mutex<Kept>>,
    fault: Arc<Mutex<Box<Fault>>>,
}

impl Bucket {
    pub fn start() -> Self {
        let kept: Arc<Mutex<Kept>> = Arc::default();
        let none: Box<Fault> = Box::new(|_, _| None);
        let fault = Arc::new(Mutex::new(none));
        let (held, failing) = (kept.clone(), fault.clone());
        let server = Loopback::start(move |request| {
            let asked = asked(request);
            let mut kept = held.lock().unwrap();
            let failed = failing.lock().unwrap()(&asked, &kept);
            failed.unwrap_or_else(|| kept.answer(&asked))
        });
        Bucket { server, kept, fault }
    }

    /// Lets some requests be answered otherwise from now on.
    pub fn fail(&self, fault: impl Fn(&Asked<'_>, &Kept) -> Option<Answer> + Send + Sync + 'static) {
        *self.fault.lock().unwrap() = Box::new(fault);
    }

    pub fn keys(&self) -> Vec<String> {
        self.kept.lock().unwrap().objects.keys().cloned().collect()
    }

    pub fn uploads(&self) -> usize {
        self.kept.lock().unwrap().uploads.len()
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn received(&self) -> Vec<Received> {
        self.server.received()
    }

    /// The program, with what leads it here.
    pub fn mlark(&self, folder: &Path, temporary: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
        command
            .current_dir(folder)
            .env_clear()
            .envs([
                ("AWS_ENDPOINT_URL", self.server.url().as_str()),
                ("AWS_ACCESS_KEY_ID", "someone"),
                ("AWS_SECRET_ACCESS_KEY", SECRET),
                ("AWS_REGION", "us-east-1"),
            ])
            .env("TMPDIR", temporary)
            .env("HOME", folder)
            .args(arguments);
        command
    }
}

pub const SECRET: &str = "a-secret-that-nobody-prints";

pub fn refusal(status: u16, code: &str) -> Answer {
    Answer::new(
        status,
        format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"),
    )
}

fn asked(request: &Received) -> Asked<'_> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let key = path
        .trim_start_matches('/')
        .split_once('/')
        .map_or("", |(_, key)| key);
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let query = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    Asked {
        request,
        key: decoded(key),
        query: query
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect(),
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

impl Kept {
    fn answer(&mut self, asked: &Asked<'_>) -> Answer {
        let (key, query, request) = (&asked.key, &asked.query, asked.request);
        let upload = query.get("uploadId");
        match (request.method.as_str(), upload) {
            ("POST", None) if query.contains_key("uploads") => {
                self.begun += 1;
                let id = format!("upload-{}", self.begun);
                self.uploads.insert(id.clone(), (key.clone(), Parts::new()));
                Answer::new(
                    200,
                    format!("<R><Bucket>b</Bucket><Key>k</Key><UploadId>{id}</UploadId></R>"),
                )
            }
            ("POST", None) if query.contains_key("delete") => {
                let text = String::from_utf8_lossy(&request.body).into_owned();
                let mut answer = "<DeleteResult>".to_owned();
                for key in text.split("<Key>").skip(1) {
                    let key = key.split("</Key>").next().unwrap();
                    self.objects.remove(key);
                    write!(answer, "<Deleted><Key>{key}</Key></Deleted>").unwrap();
                }
                Answer::new(200, answer + "</DeleteResult>")
            }
            ("PUT", Some(id)) => match self.uploads.get_mut(id) {
                Some((_, parts)) => {
                    parts.insert(query["partNumber"].parse().unwrap(), request.body.clone());
                    Answer::new(200, "").header("ETag", &format!("\"{}\"", query["partNumber"]))
                }
                None => refusal(404, "NoSuchUpload"),
            },
            ("POST", Some(id)) => match self.uploads.remove(id) {
                Some((key, parts)) => {
                    let text = String::from_utf8_lossy(&request.body).into_owned();
                    let numbers = text.split("<PartNumber>").skip(1);
                    let numbers =
                        numbers.map(|number| number.split('<').next().unwrap().parse::<usize>().unwrap());
                    let bytes = numbers.flat_map(|number| parts[&number].clone()).collect();
                    self.objects.insert(key, bytes);
                    Answer::new(200, "<R><Bucket>b</Bucket><Key>k</Key><ETag>e</ETag></R>")
                }
                None => refusal(404, "NoSuchUpload"),
            },
            ("DELETE", Some(id)) => match self.uploads.remove(id) {
                Some(_) => Answer::new(204, ""),
                None => refusal(404, "NoSuchUpload"),
            },
            ("DELETE", None) => {
                self.objects.remove(key);
                Answer::new(204, "")
            }
            ("PUT", None) => {
                if request.header("if-none-match").is_some() && self.objects.contains_key(key) {
                    return refusal(412, "PreconditionFailed");
                }
                self.objects.insert(key.clone(), request.body.clone());
                Answer::new(200, "").header("ETag", "\"e\"")
            }
            ("GET", None) if query.contains_key("uploads") => self.listed_uploads(&query["prefix"]),
            ("GET", None) if key.is_empty() => self.listed(query.get("prefix").map_or("", String::as_str)),
            _ => self.object(key, request),
        }
    }

    fn listed_uploads(&self, prefix: &str) -> Answer {
        let mut text = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>".to_owned();
        for (id, (key, _)) in self
            .uploads
            .iter()
            .filter(|(_, (key, _))| key.starts_with(prefix))
        {
            write!(text, "<Upload><Key>{key}</Key><UploadId>{id}</UploadId></Upload>").unwrap();
        }
        Answer::new(200, text + "</ListMultipartUploadsResult>")
    }

    fn listed(&self, prefix: &str) -> Answer {
        let mut text = "<ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
        for (key, bytes) in self.objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
            write!(
                text,
                "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>e</ETag><Size>{}</Size></Contents>",
                bytes.len()
            )
            .unwrap();
        }
        Answer::new(200, text + "</ListBucketResult>")
    }

    fn object(&self, key: &str, request: &Received) -> Answer {
        let Some(bytes) = self.objects.get(key) else {
            return refusal(404, "NoSuchKey");
        };
        let range = request
            .header("range")
            .and_then(|range| range.strip_prefix("bytes="));
        let answer = match range.and_then(|range| range.split_once('-')) {
            None => Answer::new(200, bytes.clone()),
            Some((start, end)) => {
                let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
                let end = (end + 1).min(bytes.len());
                Answer::new(206, bytes[start..end].to_vec()).header(
                    "Content-Range",
                    &format!("bytes {start}-{}/{}", end - 1, bytes.len()),
                )
            }
        };
        answer
            .header("ETag", "\"e\"")
            .header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
    }
}
