//! The list of uploads in parts that a bucket of S3 or of Google has: a request that the client of stores does not make.

use futures_util::TryStreamExt;
use object_store::Error;
use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpRequestBody};
use object_store::gcp::GoogleCloudStorage;
use object_store::path::Path as Key;
use object_store::signer::{Method, SignedUrlOptions, Signer};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Request;
use ureq::http::request::Builder;

/// Bytes of one page, at the most.
const PAGE_BYTES: usize = 16 << 20;
/// How long the signature of the request is good.
const SIGNED: Duration = Duration::from_secs(300);

/// Key and id of an upload.
pub(super) type Upload = (String, String);

/// Whom a bucket is asked for, and how the request is allowed.
#[derive(Clone)]
pub(super) enum Lister {
    /// By a signature in the URL.
    S3(Arc<AmazonS3>),
    /// By a token, at the URL of the bucket.
    Google(Arc<GoogleCloudStorage>, reqwest::Url),
}

/// See the module.
#[derive(Clone)]
pub(super) struct Uploads {
    pub(super) lister: Lister,
    pub(super) http: HttpClient,
}

impl Uploads {
    /// Uploads whose keys begin so, after that one.
    pub(super) async fn page(&self, prefix: &str, after: Option<&Upload>) -> Result<Page, Error> {
        let mut query = vec![("uploads", ""), ("prefix", prefix)];
        if let Some((key, id)) = after {
            query.extend([("key-marker", key.as_str()), ("upload-id-marker", id.as_str())]);
        }
        let request = self.request(&query).await?.body(HttpRequestBody::empty());
        let request = request.map_err(|error| generic(error.into()))?;
        let answer = self
            .http
            .execute(request)
            .await
            .map_err(|error| generic(error.into()))?;
        let status = answer.status();
        let mut text = Vec::new();
        let mut body = answer.into_body().bytes_stream();
        while let Some(chunk) = body.try_next().await.map_err(|error| generic(error.into()))? {
            text.extend_from_slice(&chunk);
            if text.len() > PAGE_BYTES {
                return Err(generic("the list of uploads is too long".into()));
            }
        }
        let text = String::from_utf8_lossy(&text);
        if !status.is_success() {
            let start: String = text.chars().take(300).collect();
            return Err(generic(
                format!("uploads cannot be listed: {status}: {start}").into(),
            ));
        }
        read_page(&text).map_err(|error| generic(error.into()))
    }

    /// A request that the bucket answers, with this query.
    async fn request(&self, query: &[(&str, &str)]) -> Result<Builder, Error> {
        match &self.lister {
            Lister::S3(store) => {
                let options = SignedUrlOptions::new().with_query(query.iter().copied());
                let bucket = Key::default();
                let url = store.signed_url_opts(Method::GET, &bucket, SIGNED, &options);
                Ok(Request::get(url.await?.as_str()))
            }
            Lister::Google(store, bucket) => {
                let mut url = bucket.clone();
                url.query_pairs_mut().extend_pairs(query);
                let bearer = &store.credentials().get_credential().await?.bearer;
                let request = Request::get(url.as_str());
                Ok(match bearer.as_str() {
                    "" => request,
                    bearer => request.header("authorization", format!("Bearer {bearer}")),
                })
            }
        }
    }
}

fn generic(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Generic {
        store: "list of uploads",
        source,
    }
}

/// One page of uploads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Keys and ids.
    pub(super) uploads: Vec<Upload>,
    /// Where the next page begins.
    pub(super) next: Option<Upload>,
}

/// Reads a page as S3 writes it.
fn read_page(text: &str) -> Result<Page, String> {
    let unread = |what: &dyn std::fmt::Display| format!("the list of uploads cannot be read: {what}");
    let mut reader = Reader::from_str(text);
    let (mut page, mut is_truncated) = (Page::default(), false);
    let (mut upload, mut next) = (Upload::default(), Upload::default());
    let (mut within, mut value) = (Vec::new(), String::new());
    loop {
        match reader.read_event().map_err(|error| unread(&error))? {
            Event::Start(tag) => {
                within.push(tag.local_name().as_ref().to_vec());
                value.clear();
            }
            Event::Text(text) => value.push_str(&text.decode().map_err(|error| unread(&error))?),
            Event::GeneralRef(name) => {
                let name = name.decode().map_err(|error| unread(&error))?;
                let meant = quick_xml::escape::unescape(&format!("&{name};"))
                    .map(|meant| meant.into_owned())
                    .map_err(|error| unread(&error))?;
                value.push_str(&meant);
            }
            Event::End(_) => {
                let path: Vec<_> = within.iter().skip(1).map(Vec::as_slice).collect();
                match path[..] {
                    [b"Upload", b"Key"] => upload.0 = std::mem::take(&mut value),
                    [b"Upload", b"UploadId"] => upload.1 = std::mem::take(&mut value),
                    [b"Upload"] => page.uploads.push(std::mem::take(&mut upload)),
                    [b"IsTruncated"] => is_truncated = value == "true",
                    [b"NextKeyMarker"] => next.0 = std::mem::take(&mut value),
                    [b"NextUploadIdMarker"] => next.1 = std::mem::take(&mut value),
                    _ => {}
                }
                within.pop();
            }
            Event::Eof if within.is_empty() => break,
            Event::Eof => return Err(unread(&"it is cut off")),
            _ => {}
        }
    }
    page.next = is_truncated.then_some(next);
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_uploads_is_read_with_what_names_the_next() {
        let text = "<?xml version=\"1.0\"?><ListMultipartUploadsResult xmlns=\"x\"><Bucket>b</Bucket><Prefix>a&amp;b</Prefix>\
            <NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>2</NextUploadIdMarker><IsTruncated>true</IsTruncated>\
            <Upload><Key>a&amp;b/c d</Key><UploadId>1</UploadId><Initiator><ID>Key</ID></Initiator></Upload>\
            <Upload><UploadId>2</UploadId><Key>k</Key></Upload></ListMultipartUploadsResult>";
        let text_of = |text: &str| text.to_owned();
        let page = read_page(text).unwrap();
        let uploads = [("a&b/c d", "1"), ("k", "2")].map(|(key, id)| (text_of(key), text_of(id)));
        assert_eq!(page.uploads, uploads);
        assert_eq!(page.next, Some((text_of("k"), text_of("2"))));
        for text in ["<a><Upload>", "<a></b>", "<a>&nothing;</a>"] {
            assert!(read_page(text).is_err(), "{text}");
        }
        assert_eq!(read_page("").unwrap(), Page::default());
    }
}
