//! API keys, which servers of the session API have. Must not know what keys are for.

use reqwest::Method;
use serde_json::Value;

use crate::Client;
use crate::error::{ApiKeyError, Fault, Unreachable};
use crate::http::{self, Repeat};

const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What a new key is for.
#[derive(Debug, Clone, Default)]
pub struct NewApiKey {
    /// The subject of its bearer.
    pub subject: String,
    /// For people.
    pub name: Option<String>,
    /// The tenant; the caller's own unless given.
    pub project: Option<String>,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// Patterns of sessions and streams; empty limits nothing and grants nothing.
    pub sessions: Vec<String>,
    /// Seconds until it ends.
    pub expires_in_secs: Option<u32>,
}

impl Client {
    /// Makes an API key. The answer describes it, and its member `key` is the key itself, which is shown this once.
    /// Not repeated when it is not known whether it was done.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub async fn create_api_key(&self, key: &NewApiKey) -> Result<Value, ApiKeyError> {
        let mut body = serde_json::json!({ "subject": key.subject, "scope": key.scope });
        let sessions = (!key.sessions.is_empty()).then(|| key.sessions.clone().into());
        for (name, value) in [
            ("name", key.name.clone().map(Value::from)),
            ("project", key.project.clone().map(Value::from)),
            ("sessions", sessions),
            ("expiresIn", key.expires_in_secs.map(Value::from)),
        ] {
            if let Some(value) = value {
                body[name] = value;
            }
        }
        let url = self.http.url(["api", "auth", "keys"].into_iter());
        let body = body.to_string();
        let dress = |request: reqwest::RequestBuilder| {
            request.header("content-type", "application/json").body(body.clone())
        };
        content(self.http.send(Method::POST, url, Repeat::No, dress).await?).await
    }

    /// Describes the keys of the caller's project, or of all of them, without the keys themselves.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub async fn api_keys(&self) -> Result<Vec<Value>, ApiKeyError> {
        let url = self.http.url(["api", "auth", "keys"].into_iter());
        let answer = content(self.http.send(Method::GET, url, Repeat::Yes, |request| request).await?).await?;
        match answer.get("keys").and_then(Value::as_array) {
            Some(keys) => Ok(keys.clone()),
            None => Err(Fault::Malformed("this is no list of keys").into()),
        }
    }

    /// Ends a key, from the next request of its bearer on.
    ///
    /// # Errors
    /// [`ApiKeyError`]; a key that is gone already is `NotFound`.
    pub async fn revoke_api_key(&self, id: &str) -> Result<(), ApiKeyError> {
        let url = self.http.url(["api", "auth", "keys", id].into_iter());
        self.http.send(Method::DELETE, url, Repeat::Yes, |request| request).await?;
        Ok(())
    }
}

async fn content(response: reqwest::Response) -> Result<Value, ApiKeyError> {
    let body =
        http::body(response, ANSWER_BYTES_MAX).await.map_err(|cause| Unreachable { attempts: 0, cause })?;
    let mut answer: Value =
        serde_json::from_slice(&body).map_err(|_| Fault::Malformed("the answer is not JSON"))?;
    Ok(answer["data"].take())
}
