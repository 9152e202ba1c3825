//! Where a redirect leads, and what goes there: credentials and headers go to the server they were given for, and nowhere else.

use ureq::http::{Response, StatusCode, Uri, header};

/// Redirects that are followed one after the other.
pub(super) const REDIRECTS: usize = 10;

/// Where an answer sends a reader on to.
pub(super) fn target<B>(response: &Response<B>, asked: &str) -> Option<String> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    resolve(asked, location).filter(|_| is_redirect)
}

/// A location as a whole URL, without fragment and user info.
fn resolve(asked: &str, location: &str) -> Option<String> {
    let location = &location[..location.find('#').unwrap_or(location.len())];
    let asked = asked.parse::<Uri>().ok()?;
    let origin = || Some(format!("{}://{}", asked.scheme_str()?, asked.authority()?));
    let whole = if location.starts_with("//") {
        format!("{}:{location}", asked.scheme_str()?)
    } else if location.starts_with('/') {
        format!("{}{location}", origin()?)
    } else if location
        .split(['/', '?'])
        .next()
        .is_some_and(|first| first.contains(':'))
    {
        location.to_owned()
    } else {
        let folder = asked.path().rfind('/').map_or("/", |end| &asked.path()[..=end]);
        format!("{}{folder}{location}", origin()?)
    };
    let whole = whole.parse::<Uri>().ok()?;
    let scheme = whole
        .scheme_str()
        .filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let authority = whole.authority()?.as_str();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = whole.path_and_query().map_or("/", |path| path.as_str());
    Some(format!("{scheme}://{host}{path}"))
}

/// Whether two URLs lead to the same port of the same host, asked in the same way.
pub(super) fn is_same_server(one: &str, other: &str) -> bool {
    let server = |url: &str| {
        let url = url.parse::<Uri>().ok()?;
        let default = if url.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let scheme = url.scheme_str()?.to_owned();
        Some((
            scheme,
            url.host()?.to_ascii_lowercase(),
            url.port_u16().unwrap_or(default),
        ))
    };
    server(one).is_some_and(|one| Some(one) == server(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_become_whole_urls() {
        for (location, url) in [
            ("https://other/x?y#z", Some("https://other/x?y")),
            ("http://u:p@other:1/x", Some("http://other:1/x")),
            ("//other/x", Some("http://other/x")),
            ("/x/y", Some("http://h:5/x/y")),
            ("z?q=a:b", Some("http://h:5/a/z?q=a:b")),
            ("file:///etc/passwd", None),
        ] {
            assert_eq!(
                resolve("http://h:5/a/b?c", location).as_deref(),
                url,
                "{location}"
            );
        }
    }

    #[test]
    fn another_port_is_another_server() {
        for (url, is_same) in [
            ("http://H:80/x", true),
            ("http://h/y?z", true),
            ("http://h:81/", false),
            ("https://h/", false),
            ("http://h.other/", false),
        ] {
            assert_eq!(is_same_server("http://h/a", url), is_same, "{url}");
        }
    }
}
