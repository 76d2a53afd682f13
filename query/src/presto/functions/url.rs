//! Parts of URLs, and their encoding.

use arrow::array::ArrayRef;
use datafusion::error::Result;

use super::call::{Call, Text, invalid};
use super::scalar::Entry;

/// The functions of this room.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("url_decode", url_decode),
    Entry::new("url_encode", url_encode),
    Entry::new("url_extract_fragment", |call| {
        part(call, |url| url.fragment)
    }),
    Entry::new("url_extract_host", |call| part(call, |url| url.host)),
    Entry::new("url_extract_parameter", url_extract_parameter),
    Entry::new("url_extract_path", |call| part(call, |url| url.path)),
    Entry::new("url_extract_port", url_extract_port),
    Entry::new("url_extract_protocol", |call| part(call, |url| url.scheme)),
    Entry::new("url_extract_query", |call| part(call, |url| url.query)),
];

/// A URI in its parts, still encoded.
///
/// # Source
/// RFC 2396, as `java.net.URI` reads it.
#[derive(Debug, Default)]
struct Url<'a> {
    scheme: Option<&'a str>,
    host: Option<&'a str>,
    port: Option<i64>,
    path: Option<&'a str>,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// Returns the parts, none if the text is no URI.
    fn parse(text: &'a str) -> Option<Self> {
        if !is_legal(text) {
            return None;
        }
        let mut url = Self::default();
        let rest = match text.split_once('#') {
            Some((rest, fragment)) => {
                url.fragment = Some(fragment);
                rest
            }
            None => text,
        };
        let rest = match rest.find([':', '/', '?']) {
            Some(at) if rest.get(at..=at) == Some(":") => {
                let (scheme, after) = rest.split_at_checked(at)?;
                let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                    && scheme
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
                if !is_scheme {
                    return None;
                }
                url.scheme = Some(scheme);
                let after = after.get(1..)?;
                if after.is_empty() {
                    return None;
                }
                if !after.starts_with('/') {
                    // Opaque: neither host nor path.
                    return Some(url);
                }
                after
            }
            _ => rest,
        };
        let rest = match rest.split_once('?') {
            Some((rest, query)) => {
                url.query = Some(query);
                rest
            }
            None => rest,
        };
        match rest.strip_prefix("//") {
            Some(after) => {
                let end = after.find('/').unwrap_or(after.len());
                let (authority, path) = after.split_at_checked(end)?;
                url.path = Some(path);
                (url.host, url.port) = server(authority);
            }
            None => url.path = Some(rest),
        }
        Some(url)
    }
}

/// Returns host and port of an authority; none if it is not that of a server.
fn server(authority: &str) -> (Option<&str>, Option<i64>) {
    let server = authority
        .rsplit_once('@')
        .map_or(authority, |(_, server)| server);
    let port_at = match server.rfind(']') {
        Some(end) => server
            .get(end..)
            .and_then(|rest| rest.find(':'))
            .map(|at| at + end),
        None => server.rfind(':'),
    };
    let (host, port) = match port_at.and_then(|at| server.split_at_checked(at)) {
        Some((host, port)) => (host, port.get(1..)),
        None => (server, None),
    };
    let is_host = host.starts_with('[')
        || (!host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-'));
    if !is_host {
        return (None, None);
    }
    match port {
        None | Some("") => (Some(host), None),
        Some(port) => match port.parse::<i32>() {
            Ok(port) if port >= 0 => (Some(host), Some(i64::from(port))),
            _ => (None, None),
        },
    }
}

fn is_legal(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let is_fine = match b {
            b'%' => {
                let mut hex = || bytes.next().is_some_and(|b| b.is_ascii_hexdigit());
                hex() && hex()
            }
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => false,
            0..=0x20 | 0x7f => false,
            _ => true,
        };
        if !is_fine {
            return false;
        }
    }
    text.matches('#').count() <= 1
}

/// Replaces `%xx`; bytes that are no text become U+FFFD.
fn decode_percents(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

fn part(call: &Call, of: for<'a> fn(&Url<'a>) -> Option<&'a str>) -> Result<ArrayRef> {
    call.text1(|text, out| {
        let Some(url) = Url::parse(text) else {
            return Ok(false);
        };
        out.push_str(&decode_percents(of(&url).unwrap_or_default()));
        Ok(true)
    })
}

fn url_extract_port(call: &Call) -> Result<ArrayRef> {
    call.map1::<Text, i64>(|text| Ok(Url::parse(text).and_then(|url| url.port)))
}

/// `url_extract_parameter(url, name)`: the first of that name.
fn url_extract_parameter(call: &Call) -> Result<ArrayRef> {
    call.build_text(|row, out| {
        let (Some(text), Some(name)) = (call.get::<Text>(0, row), call.get::<Text>(1, row)) else {
            return Ok(false);
        };
        let query = Url::parse(text).and_then(|url| url.query);
        for parameter in query.into_iter().flat_map(|query| query.split('&')) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if decode_percents(key) == name {
                out.push_str(&decode_percents(value));
                return Ok(true);
            }
        }
        Ok(false)
    })
}

fn url_encode(call: &Call) -> Result<ArrayRef> {
    const KEPT: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'*')
        .remove(b' ');
    call.text1(|text, out| {
        for piece in percent_encoding::utf8_percent_encode(text, &KEPT) {
            for c in piece.chars() {
                out.push(if c == ' ' { '+' } else { c });
            }
        }
        Ok(true)
    })
}

fn url_decode(call: &Call) -> Result<ArrayRef> {
    call.text1(|text, out| {
        let mut bytes = text.bytes().enumerate();
        while let Some((at, b)) = bytes.next() {
            if b != b'%' {
                continue;
            }
            let pair = text.get(at + 1..at + 3);
            let Some(pair) = pair else {
                return Err(invalid(
                    "URLDecoder: Incomplete trailing escape (%) pattern",
                ));
            };
            if let Some(bad) = pair.chars().find(|c| !c.is_ascii_hexdigit()) {
                return Err(invalid(format!(
                    "URLDecoder: Illegal hex characters in escape (%) pattern - not a hexadecimal digit: \"{bad}\" = {}",
                    u32::from(bad)
                )));
            }
            bytes.nth(1);
        }
        out.push_str(&decode_percents(&text.replace('+', " ")));
        Ok(true)
    })
}
