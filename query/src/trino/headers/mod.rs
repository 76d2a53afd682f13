//! Request headers into a session, and session effects into response headers.

mod auth;
mod base;
mod prepared;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub(super) use self::base::base_url;
use super::TrinoConfig;
use crate::engine::session::{SessionEffect, SessionSettings};

/// Whose header names the client uses; answers use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    Trino,
    Presto,
}

impl Prefix {
    fn text(self) -> &'static str {
        match self {
            Self::Trino => "x-trino-",
            Self::Presto => "x-presto-",
        }
    }

    /// Returns a header's name as people write it.
    fn header(self, name: &str) -> String {
        match self {
            Self::Trino => format!("X-Trino-{name}"),
            Self::Presto => format!("X-Presto-{name}"),
        }
    }
}

/// A request that is answered with a status and a text instead of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refused {
    fn bad_request(message: String) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Trino\"")];
        match self.status {
            StatusCode::UNAUTHORIZED => (self.status, challenge, self.message).into_response(),
            _ => (self.status, self.message).into_response(),
        }
    }
}

/// What a request says besides its statement.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) prefix: Prefix,
    /// The client reads `timestamp(6)`; others get milliseconds and bare type names.
    pub(super) has_parametric_datetime: bool,
    /// How it can read spooled results, best first; none if it cannot.
    pub(super) data_encoding: Option<String>,
    pub(super) session: SessionSettings,
}

/// Reads the headers of a POST.
///
/// # Errors
/// The text to answer with 400 for a header that cannot be read, 401 or 403 for a user that is missing or not allowed.
pub(super) fn read(headers: &HeaderMap, config: &TrinoConfig) -> Result<Client, Refused> {
    let prefix = prefix_of(headers)?;
    let one = |name: &str| {
        let value = headers
            .get(format!("{}{name}", prefix.text()))?
            .to_str()
            .ok()?
            .trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let user = auth::user(headers, one("user"), one("original-user"), config)?;
    let mut session = SessionSettings {
        user,
        source: one("source"),
        catalog: one("catalog").map(|name| decode(&name).to_ascii_lowercase()),
        schema: one("schema").map(|name| decode(&name).to_ascii_lowercase()),
        time_zone: one("time-zone"),
        transaction: one("transaction-id").filter(|id| !id.eq_ignore_ascii_case("NONE")),
        ..SessionSettings::default()
    };
    // On a name that occurs twice the last value counts: some clients append what has changed.
    for (name, value) in pairs(headers, prefix, "session", "Session")? {
        session.properties.insert(name, value);
    }
    for (name, value) in pairs(headers, prefix, "prepared-statement", "Prepared-Statement")? {
        let sql = prepared::unpack(&value).map_err(|reason| {
            let name = prefix.header("Prepared-Statement");
            Refused::bad_request(format!("Invalid {name} header: {reason}"))
        })?;
        session.prepared.insert(decode(&name), sql);
    }
    // Taken, and of no effect: there are no roles to have, and the lake opens no other system for a client.
    pairs(headers, prefix, "role", "Role")?;
    pairs(headers, prefix, "extra-credential", "Extra-Credential")?;
    pairs(headers, prefix, "resource-estimate", "Resource-Estimate")?;
    let capabilities = one("client-capabilities").unwrap_or_default();
    let has_parametric_datetime = capabilities
        .split(',')
        .any(|name| name.trim().eq_ignore_ascii_case("PARAMETRIC_DATETIME"));
    Ok(Client {
        prefix,
        has_parametric_datetime,
        data_encoding: one("query-data-encoding").filter(|_| prefix == Prefix::Trino),
        session,
    })
}

fn prefix_of(headers: &HeaderMap) -> Result<Prefix, Refused> {
    let uses = |prefix: Prefix| {
        headers
            .keys()
            .any(|name| name.as_str().starts_with(prefix.text()))
    };
    match (uses(Prefix::Trino), uses(Prefix::Presto)) {
        (true, true) => Err(Refused::bad_request(
            "a request uses X-Trino or X-Presto headers, not both".to_owned(),
        )),
        (false, true) => Ok(Prefix::Presto),
        _ => Ok(Prefix::Trino),
    }
}

/// Returns `name=urlencoded(value)` pairs of a header that may be repeated, hold comma lists, and be empty.
fn pairs(
    headers: &HeaderMap,
    prefix: Prefix,
    name: &str,
    shown: &str,
) -> Result<Vec<(String, String)>, Refused> {
    let invalid = || Refused::bad_request(format!("Invalid {} header", prefix.header(shown)));
    let mut found = Vec::new();
    for value in headers.get_all(format!("{}{name}", prefix.text())) {
        let value = value.to_str().map_err(|_| invalid())?;
        for pair in value.split(',').filter(|pair| !pair.trim().is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(invalid)?;
            found.push((name.trim().to_owned(), decode(value.trim())));
        }
    }
    Ok(found)
}

/// Form decoding: `+` is a space.
fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Adds the headers that tell the client what to remember.
pub(super) fn write(headers: &mut HeaderMap, prefix: Prefix, effects: &[SessionEffect]) {
    for effect in effects {
        let (name, value) = match effect {
            SessionEffect::SetCatalog(name) => ("set-catalog", encode_plain(name)),
            SessionEffect::SetSchema(name) => ("set-schema", encode_plain(name)),
            SessionEffect::SetTimeZone(zone) => {
                ("set-session", format!("time_zone_id={}", encode(zone)))
            }
            SessionEffect::SetProperty(name, value) => {
                ("set-session", format!("{name}={}", encode(value)))
            }
            SessionEffect::ResetProperty(name) => ("clear-session", name.clone()),
            SessionEffect::AddPrepared(name, sql) => {
                let value = encode(&prepared::pack(sql));
                ("added-prepare", format!("{}={value}", encode(name)))
            }
            SessionEffect::RemovePrepared(name) => ("deallocated-prepare", encode(name)),
            SessionEffect::StartTransaction(id) => ("started-transaction-id", id.clone()),
            SessionEffect::EndTransaction => ("clear-transaction-id", "true".to_owned()),
        };
        let name = HeaderName::try_from(format!("{}{name}", prefix.text()));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
}

/// Simple names travel as they are; others are encoded, because a header cannot hold them.
fn encode_plain(name: &str) -> String {
    let is_simple = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_simple {
        name.to_owned()
    } else {
        encode(name)
    }
}

/// Tells the client that rows come as segments.
pub(super) fn write_encoding(headers: &mut HeaderMap, encoding: &'static str) {
    let name = HeaderName::from_static("x-trino-query-data-encoding");
    headers.insert(name, HeaderValue::from_static(encoding));
}

#[cfg(test)]
mod tests;
