//! What requests to all clouds have in common: timeouts, retries, and whom they trust.

use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig};

use super::config::ClientConfig;
use crate::error::{Error, Result};

/// Builds the HTTP options of a store.
///
/// # Errors
///
/// [`Error::StorageOptionRefused`] for timeouts and pauses that make no sense,
/// [`Error::Certificates`] for a CA file that cannot be used.
pub(super) fn client_options(config: &ClientConfig) -> Result<ClientOptions> {
    check(config)?;
    let mut options = ClientOptions::new()
        .with_connect_timeout(config.connect_timeout)
        .with_timeout(config.request_timeout);
    if let Some(pem) = ca_bundle(config)? {
        let refused = |source| certificates_error(config, Box::new(source));
        let certificates = Certificate::from_pem_bundle(&pem).map_err(refused)?;
        if certificates.is_empty() {
            return Err(certificates_error(
                config,
                "it holds no PEM certificate".into(),
            ));
        }
        for certificate in certificates {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}

/// Builds the retry rule of a store; the pauses are random, so that clients do not meet again.
pub(super) fn retry_config(config: &ClientConfig) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: config.first_backoff,
            max_backoff: config.longest_backoff,
            base: 2.0,
        },
        max_retries: config.max_retries,
        retry_timeout: config.retry_timeout,
    }
}

/// Reads the certificates to trust besides those of the system.
///
/// # Errors
///
/// [`Error::Certificates`] when the file cannot be read.
pub(super) fn ca_bundle(config: &ClientConfig) -> Result<Option<Vec<u8>>> {
    let Some(path) = &config.ca_file else {
        return Ok(None);
    };
    std::fs::read(path)
        .map(Some)
        .map_err(|source| certificates_error(config, Box::new(source)))
}

/// The backoff of `object_store` panics on an empty range, and a timeout of zero fails every
/// request.
fn check(config: &ClientConfig) -> Result<()> {
    let refuse = |option: &str, reason: &str| {
        Err(Error::StorageOptionRefused {
            option: format!("storage.client.{option}"),
            reason: reason.to_owned(),
        })
    };
    for (option, duration) in [
        ("connect_timeout", config.connect_timeout),
        ("request_timeout", config.request_timeout),
        ("first_backoff", config.first_backoff),
    ] {
        if duration.is_zero() {
            return refuse(option, "it must be longer than zero");
        }
    }
    if config.longest_backoff < config.first_backoff {
        return refuse("longest_backoff", "it is shorter than first_backoff");
    }
    Ok(())
}

fn certificates_error(
    config: &ClientConfig,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> Error {
    let path = config.ca_file.as_deref().unwrap_or("".as_ref());
    Error::Certificates {
        path: path.display().to_string(),
        source,
    }
}
