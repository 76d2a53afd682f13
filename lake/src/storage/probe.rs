//! Finds out at start-up whether a store can have exactly one winner.

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tracing::warn;
use url::Url;
use uuid::Uuid;

use crate::error::{Error, Result};

const FIRST: &[u8] = b"first";
const SECOND: &[u8] = b"second";

/// Puts one key twice on condition that it is absent: the second put must fail, and the first
/// content must stay.
///
/// # Errors
///
/// [`Error::ConditionalPutIgnored`] for a store that accepts the condition but ignores it, and
/// [`Error::Storage`] for one that cannot be reached or refuses conditional puts.
pub(super) async fn probe(store: &dyn ObjectStore, url: &Url) -> Result<()> {
    let key = Path::from(format!("_probe/{}", Uuid::new_v4()));
    let verdict = put_twice(store, url, &key).await;
    // A store that cannot be reached would only make the caller wait again.
    if !matches!(verdict, Err(Error::Storage { .. }))
        && let Err(error) = store.delete(&key).await
    {
        warn!(%url, %key, %error, "probe object could not be deleted");
    }
    verdict
}

async fn put_twice(store: &dyn ObjectStore, url: &Url, key: &Path) -> Result<()> {
    let failed = |action: &'static str, source| Error::Storage {
        url: url.to_string(),
        action,
        source,
    };
    store
        .put_opts(key, PutPayload::from_static(FIRST), PutMode::Create.into())
        .await
        .map_err(|source| failed("writing a first object", source))?;
    match store
        .put_opts(key, PutPayload::from_static(SECOND), PutMode::Create.into())
        .await
    {
        Ok(_) => {
            return Err(Error::ConditionalPutIgnored {
                url: url.to_string(),
            });
        }
        Err(object_store::Error::AlreadyExists { .. }) => {}
        Err(source) => return Err(failed("putting an object conditionally", source)),
    }
    let read = async { store.get(key).await?.bytes().await };
    let bytes = read
        .await
        .map_err(|source| failed("reading an object back", source))?;
    if bytes.as_ref() == FIRST {
        Ok(())
    } else {
        Err(Error::ConditionalPutIgnored {
            url: url.to_string(),
        })
    }
}
