//! Secrets hidden in what others say: a server or a driver may repeat what it was sent.

use super::uri::UriParts;
use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{PoisonError, RwLock};

/// What stands in place of a secret.
pub(crate) const MASKED: &str = "***";
/// Shorter secrets are hidden where they stand alone: elsewhere their letters are those of other words.
const ANYWHERE_CHARACTERS: usize = 4;
/// Shorter parts of a header's value say nothing.
const PART_CHARACTERS: usize = 6;

/// Where a secret is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Where {
    /// Between characters of no word.
    Alone,
    Anywhere,
}

/// Secrets that are hidden wherever a text repeats them, percent-encoded and in base64 too.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mask {
    texts: BTreeMap<Where, BTreeSet<String>>,
    finders: BTreeMap<Where, AhoCorasick>,
}

/// What this process has been given as secrets so far, by whatever way.
static KNOWN: RwLock<Option<Mask>> = RwLock::new(None);

/// Takes note of secrets of this process: from now on [`hide`] hides them.
pub(crate) fn learn(add: impl FnOnce(&mut Mask)) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let mask = known.get_or_insert_default();
    let before: usize = mask.texts.values().map(BTreeSet::len).sum();
    add(mask);
    if mask.texts.values().map(BTreeSet::len).sum::<usize>() > before {
        mask.prepare();
    }
}

/// A message without the secrets of this process. Not for values of objects, which are the user's and stay what they are.
pub(crate) fn hide(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known.as_ref().map_or(Cow::Borrowed(text), |mask| mask.mask(text))
}

/// A URI without what may be a credential: user info, query and fragment.
pub(crate) fn redact(uri: &str) -> String {
    let Some(UriParts { scheme, place, .. }) = UriParts::of(uri) else {
        return uri[..uri.find(['?', '#']).unwrap_or(uri.len())].to_owned();
    };
    let place = &place[..place.find('#').unwrap_or(place.len())];
    let separator = if uri[scheme.len()..].starts_with("://") {
        "://"
    } else {
        ":"
    };
    format!("{scheme}{separator}{place}")
}

impl Mask {
    /// Hides a secret.
    pub(crate) fn add(&mut self, secret: &str) {
        let is_short = secret.chars().count() < ANYWHERE_CHARACTERS;
        self.add_forms(secret, if is_short { Where::Alone } else { Where::Anywhere });
    }

    /// Hides a user and password, also as `Basic` authentication sends them.
    pub(crate) fn add_pair(&mut self, user: &str, password: &str) {
        let pair = format!("{user}:{password}");
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            self.add_text(engine.encode(&pair), Where::Anywhere);
        }
        self.add_forms(&pair, Where::Anywhere);
        self.add(password);
        self.add_user(user);
    }

    /// Hides the user info of a URI.
    pub(crate) fn add_uri(&mut self, uri: &str) {
        let Some(mut parts) = UriParts::of(uri) else {
            return;
        };
        if parts.user_info.is_none() && parts.scheme.to_ascii_lowercase().starts_with("http") {
            // A server is named so by mistake alone: its password holds a `/` behind what passes for a port.
            let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
            parts.user_info = rest.rsplit_once('@').map(|(user_info, _)| user_info);
        }
        let Some(user_info) = parts.user_info else { return };
        self.add_text(format!("{user_info}@"), Where::Anywhere);
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        self.add(password);
        self.add_user(user);
        let decoded = parts.user().unwrap_or_else(|| user.to_owned());
        self.add_pair(&decoded, &parts.password().unwrap_or_default());
    }

    /// Hides a user, where the name stands alone and is not one that messages are full of.
    fn add_user(&mut self, user: &str) {
        if !matches!(user, "mlflow" | "mlark") {
            self.add_forms(user, Where::Alone);
        }
    }

    /// Hides the value of a header, and what it is made of, such as the token of `Bearer TOKEN`.
    pub(crate) fn add_header(&mut self, value: &str) {
        self.add(value);
        let separators = |next: char| next.is_whitespace() || matches!(next, '=' | ';' | ',' | '"');
        for part in value.split(separators) {
            if part.chars().count() < PART_CHARACTERS {
                continue;
            }
            self.add(part);
            let pair = STANDARD_NO_PAD.decode(part).ok();
            let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
            if let Some((user, password)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
                self.add_pair(user, password);
            }
        }
    }

    fn add_forms(&mut self, secret: &str, place: Where) {
        let json = serde_json::Value::from(secret).to_string();
        self.add_text(json[1..json.len() - 1].to_owned(), place);
        for (is_lower, is_reserved) in [(false, false), (true, false), (false, true), (true, true)] {
            self.add_text(percent_encoded(secret, is_lower, is_reserved), place);
        }
        if let Some(decoded) = super::uri::percent_decode(secret) {
            self.add_text(decoded, place);
        }
        self.add_text(secret.to_owned(), place);
    }

    fn add_text(&mut self, text: String, place: Where) {
        if !text.is_empty() {
            self.texts.entry(place).or_default().insert(text);
        }
    }

    fn prepare(&mut self) {
        for (&place, texts) in &self.texts {
            let finder = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(texts);
            // It fails for more texts than fit into memory.
            self.finders.extend(finder.ok().map(|finder| (place, finder)));
        }
    }

    fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        // What stands anywhere first: it may hold what is hidden alone.
        for (&place, finder) in self.finders.iter().rev() {
            if let Some(changed) = replace(&masked, finder, place) {
                masked = Cow::Owned(changed);
            }
        }
        masked
    }
}

fn replace(text: &str, finder: &AhoCorasick, place: Where) -> Option<String> {
    let is_word = |next: char| next.is_alphanumeric();
    let is_hidden = |start: usize, end: usize| {
        place == Where::Anywhere || !text[..start].ends_with(is_word) && !text[end..].starts_with(is_word)
    };
    let (mut masked, mut shown) = (String::new(), 0);
    for found in finder.find_iter(text) {
        if is_hidden(found.start(), found.end()) {
            masked.push_str(&text[shown..found.start()]);
            masked.push_str(MASKED);
            shown = found.end();
        }
    }
    (shown > 0).then(|| masked + &text[shown..])
}

/// Percent-encoded, all but unreserved characters or all but those of a path.
fn percent_encoded(text: &str, is_lower: bool, keeps_reserved: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        let reserved: &[u8] = if keeps_reserved { b"/:@!$&'()*+,;=" } else { b"" };
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || reserved.contains(&byte) {
            encoded.push(char::from(byte));
        } else if is_lower {
            let _ = write!(encoded, "%{byte:02x}");
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_every_form_in_which_it_is_said_back() {
        let mut mask = Mask::default();
        mask.add_pair("ana", "p/w%\"d");
        mask.add_header("Bearer tok.en-1234");
        mask.add_header("session=abcdef012; theme=dark");
        mask.add_uri("postgresql://me:Sec/r%65t@host/db");
        mask.prepare();
        for (said, shown) in [
            ("bad password p/w%\"d!", "bad password ***!"),
            ("{\"got\": \"p/w%\\\"d\"}", "{\"got\": \"***\"}"),
            ("p%2Fw%25%22d and p%2fw%25%22d", "*** and ***"),
            (
                "Authorization: Basic YW5hOnAvdyUiZA==",
                "Authorization: Basic ***==",
            ),
            ("token tok.en-1234", "token ***"),
            ("cookie abcdef012", "cookie ***"),
            ("for user \"me\" of some", "for user \"***\" of some"),
            ("postgresql://me:Sec/r%65t@host/db", "postgresql://***host/db"),
            ("got Sec/ret", "got ***"),
            ("nothing of it", "nothing of it"),
        ] {
            assert_eq!(mask.mask(said), shown);
        }
    }

    #[test]
    fn short_secrets_hide_no_other_words() {
        let mut mask = Mask::default();
        mask.add("er");
        mask.add_uri("mysql://mlflow:secret@host/db");
        mask.prepare();
        let said = "error: er; database mlflow, not secret";
        assert_eq!(mask.mask(said), "error: ***; database mlflow, not ***");
        assert_eq!(Mask::default().mask("a"), "a");
    }
}
