//! A database URI as SQLAlchemy reads it; every option is honoured or refused by name.
#![cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "SQLite's URIs have options alone; tests use all")
)]

use crate::lang::session::ExportError;
use crate::model::mask::redact;
use crate::model::uri::{UriParts, percent_decode};

/// The parts of a database URI, decoded.
#[derive(Debug)]
pub(super) struct DatabaseUri {
    pub user: Option<String>,
    pub password: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub database: Option<String>,
    pub options: UriOptions,
}

/// Options after the `?`; what nobody takes is refused.
#[derive(Debug, Default)]
pub(super) struct UriOptions(Vec<(String, String)>);

impl DatabaseUri {
    /// Parses.
    ///
    /// # Errors
    /// It is no such URI.
    pub(super) fn parse(uri: &str) -> Result<Self, ExportError> {
        let bad = |detail: &str| refused(uri, detail);
        let parts = UriParts::of(uri).ok_or_else(|| bad("the URI cannot be read"))?;
        let text = |part: Option<String>, is_there: bool| match (part, is_there) {
            (None, true) => Err(bad("its user or password is not UTF-8")),
            (part, _) => Ok(part.filter(|part| !part.is_empty())),
        };
        let has_password = parts.user_info.is_some_and(|user_info| user_info.contains(':'));
        if parts
            .user_info
            .and_then(|user_info| user_info.split_once(':'))
            .is_some_and(|(_, word)| word.contains('@'))
        {
            return Err(bad("in a password, `@` is written `%40`"));
        }
        let (place, database) = match parts.place.split_once('/') {
            Some((place, database)) => (place, Some(database.to_owned())),
            None => (parts.place, None),
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !place.ends_with(']') => (host, Some(port)),
            _ => (place, None),
        };
        let port = port.filter(|port| !port.is_empty()).map(|port| {
            let number = port.parse().map_err(|_| bad("its port is not a number"));
            number.map(|port: u16| port)
        });
        let host = percent_decode(host.trim_matches(['[', ']'])).unwrap_or_default();
        Ok(DatabaseUri {
            user: text(parts.user(), parts.user_info.is_some())?,
            password: text(parts.password(), has_password)?,
            host: Some(host).filter(|host| !host.is_empty()),
            port: port.transpose()?,
            database: database.filter(|database| !database.is_empty()),
            options: UriOptions::of(parts.query.unwrap_or_default()),
        })
    }

    /// Options that choose which data is read, beside what stands before the `?`.
    pub(super) fn chosen(&self) -> Vec<(String, String)> {
        const CHOOSING: [&str; 7] = [
            "host",
            "hostaddr",
            "port",
            "dbname",
            "database",
            "unix_socket",
            "options",
        ];
        let options = self.options.0.iter();
        let chosen = options.filter(|(name, _)| CHOOSING.contains(&name.as_str()));
        chosen.cloned().collect()
    }
}

/// An error that names the source, never its password.
pub(super) fn refused(uri: &str, detail: &str) -> ExportError {
    ExportError::unreadable(redact(uri), crate::model::mask::hide(detail).into_owned())
}

impl UriOptions {
    /// The options of a query.
    pub(super) fn of(query: &str) -> Self {
        let decode = |text: &str| percent_decode(&text.replace('+', " ")).unwrap_or_else(|| text.to_owned());
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        UriOptions(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    /// Adds an option that the URI does not have.
    pub(super) fn add_default(&mut self, name: &str, value: String) -> bool {
        let is_new = !self.0.iter().any(|(known, _)| known == name);
        if is_new {
            self.0.push((name.to_owned(), value));
        }
        is_new
    }

    /// Takes an option.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let position = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(position).1).filter(|value| !value.is_empty())
    }

    /// Takes an option that says yes or no.
    pub(super) fn take_bool(&mut self, name: &str) -> Result<Option<bool>, String> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Some(true)),
            "false" | "0" | "no" | "off" => Ok(Some(false)),
            _ => Err(format!("option `{name}` is `{value}`, not `true` or `false`")),
        }
    }

    /// Takes an option that is a number.
    pub(super) fn take_number(&mut self, name: &str) -> Result<Option<u64>, String> {
        let number = |value: String| {
            let parsed = value.parse();
            parsed.map_err(|_| format!("option `{name}` is `{value}`, not a whole number"))
        };
        self.take(name).map(number).transpose()
    }

    /// Takes an option that may have one of some values, which change nothing here.
    pub(super) fn pass(&mut self, name: &str, values: &[&str]) -> Result<(), String> {
        match self.take(name) {
            Some(value) if !values.iter().any(|known| known.eq_ignore_ascii_case(&value)) => Err(format!(
                "option `{name}` is `{value}`, but mlark supports only {}: leave it out",
                values.join(", ")
            )),
            _ => Ok(()),
        }
    }

    /// Refuses what is left.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(format!(
                "mlark does not support the option `{name}`: leave it out, or export through the MLflow server"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_read_as_sqlalchemy_reads_them() {
        let uri =
            DatabaseUri::parse("postgresql+psycopg2://m%65:Se/c%72et@[::1]:5433/db?a=1+2&b=%2Fx").unwrap();
        let read = (uri.user, uri.password, uri.host, uri.port, uri.database);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            read,
            (text("me"), text("Se/cret"), text("::1"), Some(5433), text("db"))
        );
        let mut options = uri.options;
        assert_eq!((options.take("a"), options.take("b")), (text("1 2"), text("/x")));
        assert!(options.finish().is_ok());
        assert!(DatabaseUri::parse("mysql://u:p@h:port/db").is_err());
        let twice = DatabaseUri::parse("mysql://u:p@w@h/db").unwrap_err().to_string();
        assert!(twice.contains("%40") && !twice.contains("p@w"), "{twice}");
    }

    #[test]
    fn what_nobody_takes_is_refused_by_name() {
        let refused = UriOptions::of("x=1&nosuch=2").finish().unwrap_err();
        assert!(refused.contains("`x`"), "{refused}");
    }
}
