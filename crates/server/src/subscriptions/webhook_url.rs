//! Where webhooks may go: the rules about URLs and addresses that keep callers from using the server to reach
//! its own network, PROTOCOL.md section 12.8. Pure; resolving and connecting are `webhook`'s.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// A URL that passed the rules that need no network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookUrl {
    pub(crate) url: Url,
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    /// Plain http to this machine, in development.
    loopback: bool,
}

/// Why a URL is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedUrl {
    #[error("webhook.url is not a URL")]
    Malformed,
    #[error("webhook.url must use https")]
    Scheme,
    #[error("webhook.url must not carry credentials or a fragment")]
    Credentials,
    #[error("webhook.url must not name a host of a local or reserved network")]
    Host,
}

impl WebhookUrl {
    /// Under `development`, plain http to `localhost` and loopback literals is let through.
    pub(crate) fn parse(text: &str, development: bool) -> Result<Self, RefusedUrl> {
        let url = Url::parse(text).map_err(|_| RefusedUrl::Malformed)?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(RefusedUrl::Scheme),
        };
        let host = url.host().ok_or(RefusedUrl::Malformed)?.to_owned();
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(RefusedUrl::Credentials);
        }
        let port = url.port_or_known_default().ok_or(RefusedUrl::Malformed)?;
        if !tls {
            let loopback = development && is_loopback(&host);
            return if loopback {
                Ok(Self { url, host, port, tls, loopback })
            } else {
                Err(RefusedUrl::Scheme)
            };
        }
        let public = match &host {
            Host::Domain(name) => is_public_name(name),
            Host::Ipv4(address) => is_public(IpAddr::V4(*address)),
            Host::Ipv6(address) => is_public(IpAddr::V6(*address)),
        };
        if public { Ok(Self { url, host, port, tls, loopback: false }) } else { Err(RefusedUrl::Host) }
    }

    /// Whether this address, which the host resolved to, may be connected to.
    pub(crate) fn permits(&self, address: IpAddr) -> bool {
        if self.loopback { address.is_loopback() } else { is_public(address) }
    }
}

fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Names that are local by definition. All others are judged by what they resolve to.
fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let top = name.rsplit('.').next().unwrap_or_default();
    name.contains('.') && !matches!(top, "localhost" | "local" | "internal" | "localdomain")
}

/// Whether an address is of the public internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Global unicast only, and nothing in it that leads back to IPv4 (6to4, Teredo) or is for documents.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    (0x2000..=0x3fff).contains(&a)
        && !(a == 0x2001 && b < 0x0200)
        && !(a == 0x2001 && b == 0x0db8)
        && a != 0x2002
        && !(a == 0x3fff && b < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_urls() {
        use RefusedUrl::*;
        #[rustfmt::skip]
        let table = [
            // URL                                          in production    in development
            ("https://worker.example/hooks?a=1",            Ok(()),          Ok(())),
            ("https://8.8.8.8/",                            Ok(()),          Ok(())),
            ("https://[2606:4700::1111]:8443/",             Ok(()),          Ok(())),
            ("http://worker.example/hooks",                 Err(Scheme),     Err(Scheme)),
            ("http://localhost:9/",                         Err(Scheme),     Ok(())),
            ("http://127.0.0.7:9/",                         Err(Scheme),     Ok(())),
            ("http://[::1]:9/",                             Err(Scheme),     Ok(())),
            ("http://localhost.evil.example/",              Err(Scheme),     Err(Scheme)),
            ("http://10.0.0.1/hook",                        Err(Scheme),     Err(Scheme)),
            ("ftp://worker.example/",                       Err(Scheme),     Err(Scheme)),
            ("file:///etc/passwd",                          Err(Scheme),     Err(Scheme)),
            ("worker.example/hooks",                        Err(Malformed),  Err(Malformed)),
            ("",                                            Err(Malformed),  Err(Malformed)),
            ("https://user@worker.example/",                Err(Credentials), Err(Credentials)),
            ("https://:pass@worker.example/",               Err(Credentials), Err(Credentials)),
            ("https://worker.example/#x",                   Err(Credentials), Err(Credentials)),
            ("https://localhost/",                          Err(Host),       Err(Host)),
            ("https://LOCALHOST./",                         Err(Host),       Err(Host)),
            ("https://a.localhost/",                        Err(Host),       Err(Host)),
            ("https://printer.local/",                      Err(Host),       Err(Host)),
            ("https://metadata.google.internal/",           Err(Host),       Err(Host)),
            ("https://intranet/",                           Err(Host),       Err(Host)),
            ("https://127.0.0.1/",                          Err(Host),       Err(Host)),
            ("https://127.1/",                              Err(Host),       Err(Host)),
            ("https://2130706433/",                         Err(Host),       Err(Host)),
            ("https://0x7f.0.0.1/",                         Err(Host),       Err(Host)),
            ("https://0177.0.0.1/",                         Err(Host),       Err(Host)),
            ("https://10.1.2.3/",                           Err(Host),       Err(Host)),
            ("https://172.31.0.1/",                         Err(Host),       Err(Host)),
            ("https://192.168.1.1/",                        Err(Host),       Err(Host)),
            ("https://169.254.169.254/latest/meta-data",    Err(Host),       Err(Host)),
            ("https://100.100.0.1/",                        Err(Host),       Err(Host)),
            ("https://0.0.0.0/",                            Err(Host),       Err(Host)),
            ("https://[::]/",                               Err(Host),       Err(Host)),
            ("https://[::ffff:10.0.0.1]/",                  Err(Host),       Err(Host)),
            ("https://[64:ff9b::a00:1]/",                   Err(Host),       Err(Host)),
            ("https://[2002:a00:1::]/",                     Err(Host),       Err(Host)),
            ("https://[fd00::1]/",                          Err(Host),       Err(Host)),
            ("https://[fe80::1]/",                          Err(Host),       Err(Host)),
            ("https://[2001:db8::1]/",                      Err(Host),       Err(Host)),
        ];
        for (url, production, development) in table {
            assert_eq!(WebhookUrl::parse(url, false).map(|_| ()), production, "{url}");
            assert_eq!(WebhookUrl::parse(url, true).map(|_| ()), development, "{url} in development");
        }
    }

    #[test]
    fn a_public_name_must_not_resolve_to_a_local_address() {
        let public = WebhookUrl::parse("https://worker.example/", true).unwrap();
        let local = WebhookUrl::parse("http://localhost/", true).unwrap();
        for address in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1", "::ffff:127.0.0.1"] {
            assert!(!public.permits(address.parse().unwrap()), "{address}");
        }
        assert!(public.permits("93.184.216.34".parse().unwrap()));
        assert!(local.permits("127.0.0.1".parse().unwrap()) && local.permits("::1".parse().unwrap()));
        assert!(!local.permits("10.0.0.1".parse().unwrap()));
        assert!(!local.permits("93.184.216.34".parse().unwrap()));
    }
}
