//! Where API keys are kept: attributes of streams below `__ds/auth/keys/`, which clients cannot reach. A revoked key
//! is deleted, and refused from the next request on, since every request looks.

use std::sync::Arc;

use bytes::Bytes;
use durable_sessions_protocol::{ContentType, StreamPath};
use durable_sessions_storage::{CreateError, CreateStream, DeleteError, ReadError, StreamStore};

use super::api_key::{ApiKey, Presented, is_key_id};

const ROOT: &str = "__ds/auth/keys/";
/// Keys read at a time.
const PAGE: usize = 200;

/// All keys of a server.
pub(crate) struct KeyStore {
    store: Arc<dyn StreamStore>,
    max: usize,
}

/// Why a key was not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error("the server keeps at most {0} keys")]
    TooMany(usize),
    #[error(transparent)]
    Create(#[from] CreateError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl KeyStore {
    pub(crate) fn new(store: Arc<dyn StreamStore>, max: usize) -> Self {
        Self { store, max }
    }

    pub(crate) async fn keep(&self, key: &ApiKey) -> Result<(), KeepError> {
        // Two at once may pass at the limit: it bounds growth, and one more does no harm.
        if self.store.list(ROOT, None, self.max).await?.len() >= self.max {
            return Err(KeepError::TooMany(self.max));
        }
        let Some(path) = path_of(&key.id) else { return Err(ReadError::NotFound.into()) };
        let attributes = serde_json::to_vec(key).map(Bytes::from).unwrap_or_default();
        let create = CreateStream { attributes: Some(attributes), ..CreateStream::of(ContentType::json()) };
        self.store.create(&path, create).await?;
        Ok(())
    }

    pub(crate) async fn all(&self) -> Result<Vec<ApiKey>, ReadError> {
        let mut keys = Vec::new();
        let mut after: Option<StreamPath> = None;
        loop {
            let page = self.store.list(ROOT, after.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|(path, _)| path.clone());
            keys.extend(page.iter().filter_map(|(_, head)| decode(head.attributes.as_deref())));
            if is_last {
                return Ok(keys);
            }
        }
    }

    pub(crate) async fn find(&self, id: &str) -> Result<Option<ApiKey>, ReadError> {
        let Some(path) = path_of(id) else { return Ok(None) };
        match self.store.head(&path).await {
            Ok(head) => Ok(decode(head.attributes.as_deref())),
            Err(ReadError::NotFound | ReadError::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The key that somebody presents, if it is genuine and good.
    pub(crate) async fn opened_by(
        &self,
        presented: &Presented<'_>,
        now_ms: i64,
    ) -> Result<Option<ApiKey>, ReadError> {
        let found = self.find(presented.id).await?;
        Ok(found.filter(|key| key.is_opened_by(presented, now_ms)))
    }

    /// Whether there was one.
    pub(crate) async fn revoke(&self, id: &str) -> Result<bool, DeleteError> {
        let Some(path) = path_of(id) else { return Ok(false) };
        match self.store.delete(&path).await {
            Ok(()) => Ok(true),
            Err(DeleteError::NotFound | DeleteError::Gone) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn path_of(id: &str) -> Option<StreamPath> {
    if is_key_id(id) { format!("{ROOT}{id}").parse().ok() } else { None }
}

fn decode(attributes: Option<&[u8]>) -> Option<ApiKey> {
    let key = serde_json::from_slice(attributes?);
    if let Err(why) = &key {
        // Its text could hold parts of the record.
        let at = why.column();
        tracing::error!(error_id = "api-key-unreadable", at, "a stored key cannot be read; it opens nothing");
    }
    key.ok()
}
