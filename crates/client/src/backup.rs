//! A copy of everything a server holds, which our servers give to who may have it. Must not know its bytes.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, Response};

use crate::Client;
use crate::error::{ReadError, Unreachable};
use crate::http::{self, Repeat};

/// Only silence ends a long download, but one that takes days is none.
const DOWNLOAD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A backup on its way.
#[derive(Debug)]
pub struct BackupDownload {
    response: Response,
    silence: Duration,
}

impl Client {
    /// Begins to download a backup: everything the server holds at one moment, in the form that
    /// `durable-sessions restore` reads.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn backup(&self) -> Result<BackupDownload, ReadError> {
        let url = self.http.url(["api", "backup"].into_iter());
        let unhurried = |request: reqwest::RequestBuilder| request.timeout(DOWNLOAD_MAX);
        let response = self.http.send(Method::GET, url, Repeat::Yes, unhurried).await?;
        Ok(BackupDownload { response, silence: self.http.silence })
    }
}

impl BackupDownload {
    /// The next bytes; `None` at the end of the answer. Whether the backup is whole only its own end says.
    ///
    /// # Errors
    /// [`Unreachable`] when the answer breaks off, or nothing comes for long.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Unreachable> {
        let broken = |cause| Unreachable { attempts: 0, cause };
        match tokio::time::timeout(self.silence, self.response.chunk()).await {
            Ok(chunk) => chunk.map_err(|error| broken(http::describe(&error))),
            Err(_) => Err(broken("nothing came for long".to_owned())),
        }
    }
}
