//! How many sockets this process may open. Must not know what for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process, and servers that it starts, open `needed` descriptors.
///
/// # Errors
/// Says what to do when the system does not allow so many.
pub fn allow_descriptors(needed: u64) -> Result<(), String> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Without a limit there is nothing to raise.
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(maximum) = maximum.filter(|maximum| *maximum < needed) {
        return Err(format!(
            "{needed} descriptors are needed, and the hard limit is {maximum}: raise it (`ulimit -Hn {needed}`, \
             LimitNOFILE= or /etc/security/limits.conf), or ask for fewer subscribers"
        ));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })
        .map_err(|error| format!("the limit of descriptors cannot be raised to {needed}: {error}"))
}

/// Ports that connections of this machine to one address may come from, where that is known.
#[must_use]
pub fn ports() -> Option<u64> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = range.split_whitespace().map(str::parse::<u64>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    Some((last + 1).saturating_sub(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_system_allows_is_refused_with_the_number() {
        assert_eq!(allow_descriptors(1), Ok(()));
        if let Some(maximum) = getrlimit(Resource::Nofile).maximum {
            let refused = allow_descriptors(maximum + 1).unwrap_err();
            assert!(refused.contains(&maximum.to_string()), "{refused}");
        }
    }
}
