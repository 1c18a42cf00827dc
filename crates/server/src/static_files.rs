//! The files of a built web application. Must not know streams.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::Code;
use crate::error::ApiError;
use crate::stream::matches_etag;

/// Largest file served; web applications stay far below.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// WebAssembly may be compiled; nothing may be evaluated, loaded from or sent to another origin.
const CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data:; object-src 'none'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const NOT_FOUND_PAGE: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Not found</title>\
    <h1>Not found</h1><p>There is no such page. <a href=\"/\">Start page</a></p></html>";

/// A directory of files, served at `/`.
#[derive(Debug)]
pub(crate) struct StaticFiles {
    root: PathBuf,
}

struct File {
    bytes: Vec<u8>,
    etag: String,
}

impl StaticFiles {
    /// # Errors
    /// When the directory does not exist.
    pub(crate) fn open(root: &Path) -> std::io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(std::io::Error::new(std::io::ErrorKind::NotADirectory, "not a directory"));
        }
        Ok(Self { root })
    }

    pub(crate) async fn serve(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return ApiError::method_not_allowed("GET, HEAD").into_response();
        }
        let Some(name) = file_name(path) else { return missing(headers) };
        let Some(file) = self.read(&name).await else { return missing(headers) };
        let Ok(etag) = HeaderValue::from_str(&file.etag) else { return missing(headers) };
        let fresh = headers.get_all(IF_NONE_MATCH).iter().any(|given| matches_etag(given, &file.etag));
        let mut response = if fresh {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Response::new(Body::from(file.bytes))
        };
        let answer = response.headers_mut();
        answer.insert(ETAG, etag);
        answer.insert(CACHE_CONTROL, cache_control(&name));
        answer.insert(CONTENT_TYPE, HeaderValue::from_static(mime_type(&name)));
        secure(answer);
        response
    }

    /// The file, when it is one and lies below the root, symbolic links included.
    async fn read(&self, name: &str) -> Option<File> {
        let path = tokio::fs::canonicalize(self.root.join(name)).await.ok()?;
        if !path.starts_with(&self.root) {
            return None;
        }
        let metadata = tokio::fs::metadata(&path).await.ok()?;
        if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
            return None;
        }
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let bytes = tokio::fs::read(&path).await.ok()?;
        Some(File { etag: format!("\"{:x}-{:x}\"", changed.as_nanos(), bytes.len()), bytes })
    }
}

fn secure(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, CSP);
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
}

fn missing(headers: &HeaderMap) -> Response {
    let error = ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, "no such route or file");
    let for_people = headers
        .get(ACCEPT)
        .is_some_and(|accept| accept.as_bytes().windows(9).any(|part| part == b"text/html"));
    let mut response = error.into_response();
    if for_people {
        *response.body_mut() = Body::from(NOT_FOUND_PAGE);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    }
    secure(response.headers_mut());
    response
}

/// The file a URL path names, relative to the root; `None` for anything that could leave it or is hidden.
fn file_name(path: &str) -> Option<String> {
    let decoded = crate::stream::percent_decode(path.strip_prefix('/')?)?;
    if decoded.is_empty() {
        return Some("index.html".into());
    }
    let plain = decoded.split('/').all(|segment| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && !segment.contains(['\\', ':'])
            && !segment.chars().any(char::is_control)
    });
    plain.then_some(decoded)
}

/// Files whose name carries a hash of their content (`assets/index-B3kd9_aQ.js`) never change.
fn cache_control(name: &str) -> HeaderValue {
    let stem = name.rsplit('/').next().and_then(|file| file.split_once('.')).map_or("", |(stem, _)| stem);
    let hash = stem.rsplit_once('-').map_or("", |(_, hash)| hash);
    let hashed = name.starts_with("assets/")
        && hash.len() >= 8
        && hash.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && hash.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    if hashed {
        HeaderValue::from_static("public, max-age=31536000, immutable")
    } else {
        HeaderValue::from_static("no-cache")
    }
}

fn mime_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_the_root() {
        assert_eq!(file_name("/").as_deref(), Some("index.html"));
        assert_eq!(file_name("/assets/a%20b.js").as_deref(), Some("assets/a b.js"));
        for bad in [
            "/../x",
            "/a/../../x",
            "/%2e%2e/x",
            "/..%2fx",
            "/a//b",
            "/.env",
            "/a\\b",
            "/%00",
            "/C:/x",
            "/%zz",
        ] {
            assert_eq!(file_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_hashed_assets_are_immutable() {
        for (name, immutable) in [
            ("assets/index-B3kd9_aQ.js", true),
            ("assets/core-DkT51a0z.wasm", true),
            ("assets/worker-threads.js", false),
            ("index.html", false),
            ("index-B3kd9_aQ.js", false),
        ] {
            assert_eq!(cache_control(name).to_str().unwrap().contains("immutable"), immutable, "{name}");
        }
    }
}
