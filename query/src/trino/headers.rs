//! Request headers into a session, and session effects into response headers.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

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
}

/// What a request says besides its statement.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) prefix: Prefix,
    /// The client reads `timestamp(6)`; others get milliseconds and bare type names.
    pub(super) has_parametric_datetime: bool,
    pub(super) session: SessionSettings,
}

/// Reads the headers of a POST.
///
/// # Errors
/// The text to answer with 400, or with 401 if there is no user.
pub(super) fn read(headers: &HeaderMap) -> Result<Client, (axum::http::StatusCode, String)> {
    use axum::http::StatusCode;
    let uses = |prefix: Prefix| {
        headers
            .keys()
            .any(|name| name.as_str().starts_with(prefix.text()))
    };
    let prefix = match (uses(Prefix::Trino), uses(Prefix::Presto)) {
        (true, true) => {
            let message = "a request uses X-Trino or X-Presto headers, not both";
            return Err((StatusCode::BAD_REQUEST, message.to_owned()));
        }
        (false, true) => Prefix::Presto,
        _ => Prefix::Trino,
    };
    let one = |name: &str| {
        let value = headers
            .get(format!("{}{name}", prefix.text()))?
            .to_str()
            .ok()?
            .trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let Some(user) = one("user") else {
        return Err((
            StatusCode::UNAUTHORIZED,
            "the user header is missing".to_owned(),
        ));
    };
    let mut session = SessionSettings {
        user,
        source: one("source"),
        catalog: one("catalog").map(|name| name.to_ascii_lowercase()),
        schema: one("schema").map(|name| name.to_ascii_lowercase()),
        time_zone: one("time-zone"),
        transaction: one("transaction-id").filter(|id| !id.eq_ignore_ascii_case("NONE")),
        ..SessionSettings::default()
    };
    for (name, value) in pairs(headers, prefix, "session") {
        session.properties.insert(name, value);
    }
    for (name, value) in pairs(headers, prefix, "prepared-statement") {
        session.prepared.insert(decode(&name), value);
    }
    let capabilities = one("client-capabilities").unwrap_or_default();
    let has_parametric_datetime = capabilities
        .split(',')
        .any(|name| name.trim().eq_ignore_ascii_case("PARAMETRIC_DATETIME"));
    Ok(Client {
        prefix,
        has_parametric_datetime,
        session,
    })
}

/// Returns `name=urlencoded(value)` pairs of a header that may be repeated and hold comma lists.
fn pairs(headers: &HeaderMap, prefix: Prefix, name: &str) -> Vec<(String, String)> {
    headers
        .get_all(format!("{}{name}", prefix.text()))
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.trim().to_owned(), decode(value.trim())))
        })
        .collect()
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
                ("added-prepare", format!("{}={}", encode(name), encode(sql)))
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

/// Returns the base URL under which the client reaches us.
pub(super) fn base_url(headers: &HeaderMap) -> String {
    let get = |name: &str| {
        let first = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
        (!first.is_empty()).then(|| first.to_owned())
    };
    let forwarded = get("forwarded").unwrap_or_default();
    let part = |key: &str| {
        forwarded.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case(key)
                .then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let scheme = part("proto")
        .or_else(|| get("x-forwarded-proto"))
        .unwrap_or_else(|| "http".to_owned());
    let mut host = part("host")
        .or_else(|| get("x-forwarded-host"))
        .or_else(|| get("host"))
        .unwrap_or_else(|| "localhost".to_owned());
    if let Some(port) = get("x-forwarded-port")
        && forwarded.is_empty()
    {
        let bare = match host.rsplit_once(':') {
            Some((name, digits)) if digits.chars().all(|c| c.is_ascii_digit()) => name.to_owned(),
            _ => host.clone(),
        };
        let is_default = (scheme == "https" && port == "443") || (scheme == "http" && port == "80");
        host = if is_default {
            bare
        } else {
            format!("{bare}:{port}")
        };
    }
    format!("{scheme}://{host}")
}
