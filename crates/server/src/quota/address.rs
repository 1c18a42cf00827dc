//! Which address a request comes from: the peer's, or what a trusted proxy says. Pure.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// A network, as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    bits: u128,
    mask: u128,
    is_v4: bool,
}

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an address or a network such as 10.0.0.0/8")]
pub struct InvalidNetwork;

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        let (bits, is_v4) = bits(address);
        is_v4 == self.is_v4 && bits & self.mask == self.bits
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let (all, is_v4) = bits(address.trim().parse().map_err(|_| InvalidNetwork)?);
        let length = if is_v4 { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => {
                prefix.trim().parse().ok().filter(|prefix| *prefix <= length).ok_or(InvalidNetwork)?
            }
            None => length,
        };
        let ones = if prefix == 0 { 0 } else { u128::MAX << (length - prefix) };
        let mask = if is_v4 { ones & u128::from(u32::MAX) } else { ones };
        Ok(Self { bits: all & mask, mask, is_v4 })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.mask.count_ones();
        match self.is_v4 {
            true => write!(
                f,
                "{}/{prefix}",
                std::net::Ipv4Addr::from_bits(u32::try_from(self.bits).unwrap_or_default())
            ),
            false => write!(f, "{}/{prefix}", std::net::Ipv6Addr::from_bits(self.bits)),
        }
    }
}

/// An IPv4 address that came in over IPv6 is the IPv4 address.
fn bits(address: IpAddr) -> (u128, bool) {
    match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(address.to_bits()), true),
        IpAddr::V6(address) => (address.to_bits(), false),
    }
}

/// Where a request comes from. `X-Forwarded-For` counts only from a trusted peer, and only its last entries, which
/// trusted proxies wrote; the first one that is not theirs is the client. What stands before it the client wrote.
pub(crate) fn client_address(peer: IpAddr, trusted: &[Network], headers: &HeaderMap) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    for list in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        let Ok(list) = list.to_str() else { return client };
        for entry in list.rsplit(',') {
            // What is no address ends the chain that can be believed.
            let Ok(address) = entry.trim().parse::<IpAddr>() else { return client };
            client = address.to_canonical();
            if !is_trusted(client) {
                return client;
            }
        }
    }
    client
}

/// What addresses are counted by: a customer of IPv6 has at least a whole /64.
pub(super) fn key(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fd12::1", true),
            ("::/0", "2001:db8::1", true),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), expected, "{network} {address}");
            assert_eq!(network.to_string().parse(), Ok(network));
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "a/8", "::/129", "1.2.3.4/x"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<Network> = ["127.0.0.1", "10.0.0.0/8"].map(|text| text.parse().unwrap()).to_vec();
        for (peer, forwarded, expected) in [
            ("9.9.9.9", vec!["1.1.1.1"], "9.9.9.9"),
            ("127.0.0.1", vec![], "127.0.0.1"),
            ("127.0.0.1", vec!["1.1.1.1"], "1.1.1.1"),
            ("127.0.0.1", vec!["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
            ("127.0.0.1", vec!["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
            ("127.0.0.1", vec!["1.1.1.1, evil"], "127.0.0.1"),
            ("127.0.0.1", vec!["10.0.0.3"], "10.0.0.3"),
            ("::ffff:127.0.0.1", vec!["2001:db8::1"], "2001:db8::1"),
        ] {
            let mut headers = HeaderMap::new();
            for value in &forwarded {
                headers.append(X_FORWARDED_FOR, value.parse().unwrap());
            }
            let client = client_address(peer.parse().unwrap(), &trusted, &headers);
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        }
    }
}
