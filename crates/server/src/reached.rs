//! Under which URL this server is reached. Must not know what is below it.

use http::header::HOST;
use http::{HeaderMap, Uri};

use crate::config::ServerConfig;

/// Longest host that is repeated in an answer: a name of 255 bytes and a port.
const HOST_LEN_MAX: usize = 261;

/// Scheme, host and possibly a path, without a slash at the end: as configured, or as the caller reached it; empty
/// when it did not say, so that what is put behind it is a path, which is relative to where it came from.
///
/// Only the configuration knows about a proxy that ends TLS. `X-Forwarded-Proto`, `X-Forwarded-Host` and
/// `Forwarded` are not read: whoever reaches the server directly could write into them what it likes, and whether
/// there is a proxy that strips them is known to the operator alone, who has one setting for exactly this.
pub(crate) fn base_url(config: &ServerConfig, headers: &HeaderMap, uri: &Uri) -> String {
    public_url(config)
        .map(str::to_owned)
        .or_else(|| as_reached(config.tls.is_some(), headers, uri))
        .unwrap_or_default()
}

/// The configured URL, without a slash at the end.
pub(crate) fn public_url(config: &ServerConfig) -> Option<&str> {
    config.public_url.as_deref().map(|url| url.trim_end_matches('/'))
}

/// What the caller said where it goes to: the authority of HTTP/2 and of absolute targets, else `Host`.
pub(crate) fn as_reached(tls: bool, headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let host = uri.authority().map(http::uri::Authority::as_str);
    let host = host.or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()));
    let host = host.filter(|host| {
        host.len() <= HOST_LEN_MAX
            && host.parse::<http::uri::Authority>().is_ok_and(|given| given.as_str() == *host)
    });
    let scheme = if tls { "https" } else { "http" };
    host.map(|host| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AuthConfig, StoreConfig};
    use http::request::Parts;

    fn parts(target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::put(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_the_configuration_knows_a_proxy() {
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut config = ServerConfig::new(listen, StoreConfig::Memory, AuthConfig::DevNoAuth);
        let asked = |config: &ServerConfig, target: &str, headers: &[(&str, &str)]| {
            let parts = parts(target, headers);
            base_url(config, &parts.headers, &parts.uri)
        };
        let forwarded = [
            ("host", "a.example:81"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "proto=https;host=evil.example"),
        ];
        assert_eq!(asked(&config, "/v1/stream/x", &forwarded), "http://a.example:81");
        assert_eq!(asked(&config, "http://b.example/x", &[("host", "a.example")]), "http://b.example");
        for odd in ["a b", "a/b", "", "a?b"] {
            assert_eq!(asked(&config, "/x", &[("host", odd)]), "", "{odd}");
        }
        config.public_url = Some("https://streams.example/base/".into());
        assert_eq!(asked(&config, "/v1/stream/x", &forwarded), "https://streams.example/base");
    }
}
