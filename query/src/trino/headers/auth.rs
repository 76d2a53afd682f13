//! Who asks. There is no login: names are believed, and passwords are not wanted.

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Refused, base};
use crate::trino::TrinoConfig;

/// Returns the session's user.
///
/// # Errors
/// No user, a password that everybody on the way could read, or the name of another than the one who has authenticated.
pub(super) fn user(
    headers: &HeaderMap,
    user: Option<String>,
    original_user: Option<String>,
    config: &TrinoConfig,
) -> Result<String, Refused> {
    let refuse = |status, message: &str| Refused {
        status,
        message: message.to_owned(),
    };
    let Some((name, password)) = basic(headers)? else {
        return user.or(original_user).ok_or_else(|| {
            refuse(
                StatusCode::UNAUTHORIZED,
                "Basic authentication or X-Trino-Original-User or X-Trino-User must be sent",
            )
        });
    };
    if password.is_empty() {
        let name = Some(name).filter(|name| !name.is_empty());
        return user
            .or(original_user)
            .or(name)
            .ok_or_else(|| refuse(StatusCode::UNAUTHORIZED, "the name of the user is empty"));
    }
    if !base::is_https(headers) && !config.allow_insecure_passwords {
        return Err(refuse(
            StatusCode::UNAUTHORIZED,
            "Password not allowed for insecure authentication: use TLS in front of this server, or leave the password out",
        ));
    }
    match user {
        Some(user) if user != name => Err(refuse(
            StatusCode::FORBIDDEN,
            &format!("Access Denied: User {name} cannot impersonate user {user}"),
        )),
        _ => Ok(name),
    }
}

/// Returns name and password of `Authorization: Basic`; tokens of other kinds prove nothing here and are left alone.
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, Refused> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let parse = || {
        let (scheme, credentials) = value.to_str().ok()?.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Some(None);
        }
        let text = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        Some(Some((name.to_owned(), password.to_owned())))
    };
    parse().ok_or_else(|| Refused {
        status: StatusCode::UNAUTHORIZED,
        message: "Malformed Authorization header".to_owned(),
    })
}
