//! There is no login, so a page of another site must not be able to send statements through a user's browser.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses requests that a browser sends for another site; on loopback also foreign host names (DNS rebinding).
pub(crate) async fn guard(is_loopback: bool, request: Request, next: Next) -> Response {
    match refusal(is_loopback, request.headers()) {
        Some(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
        None => next.run(request).await,
    }
}

fn refusal(is_loopback: bool, headers: &HeaderMap) -> Option<&'static str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST.as_str()).unwrap_or_default();
    if is_loopback && !host.is_empty() && !is_local(host) {
        return Some("this server listens on loopback and answers to local names only");
    }
    if text("sec-fetch-site") == Some("cross-site") && text("sec-fetch-mode") != Some("navigate") {
        return Some("requests from other sites are refused");
    }
    let origin = text(header::ORIGIN.as_str())?;
    let own = origin
        .split_once("://")
        .is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
    (!own).then_some("requests from other origins are refused")
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (
                axum::http::HeaderName::from_static(name),
                value.parse().unwrap(),
            )
        });
        refusal(true, &headers.collect()).is_some()
    }

    #[test]
    fn only_own_pages_and_programs_get_through() {
        assert!(!refused(&[("host", "127.0.0.1:8080")]));
        assert!(!refused(&[
            ("host", "[::1]:8080"),
            ("origin", "http://[::1]:8080")
        ]));
        assert!(!refused(&[
            ("host", "localhost:8080"),
            ("origin", "http://localhost:8080")
        ]));
        assert!(refused(&[
            ("host", "localhost:8080"),
            ("origin", "http://evil.example")
        ]));
        assert!(refused(&[("host", "localhost:8080"), ("origin", "null")]));
        assert!(refused(&[
            ("host", "evil.example"),
            ("origin", "http://evil.example")
        ]));
        assert!(refused(&[
            ("host", "127.0.0.1:8080"),
            ("sec-fetch-site", "cross-site")
        ]));
    }
}
