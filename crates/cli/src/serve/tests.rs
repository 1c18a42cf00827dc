//! Every value of the configuration has a flag that reaches it, and a line in the documentation.

use std::path::Path;

use clap::{Args as _, CommandFactory as _, FromArgMatches as _, Parser};

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ServeArgs,
}

/// The fields of a structure by name; it does not compile when one is forgotten.
macro_rules! fields {
    ($of:expr, $type:ident { $($name:ident),* $(,)? }) => {{
        let $type { $($name: _,)* } = $of;
        [$(stringify!($name)),*]
    }};
}

fn flag(field: &str) -> String {
    field.replace('_', "-")
}

fn settings(flag: &str, value: &str) -> Settings {
    let command = Settings::augment_args(clap::Command::new("serve"));
    let matches = command.try_get_matches_from(["serve", &format!("--{flag}"), value]);
    Settings::from_arg_matches(&matches.unwrap_or_else(|error| panic!("{flag}: {error}"))).unwrap()
}

/// Values of each kind that is among the flags, and how they are shown once they are read.
const VALUES: [(&str, &str, &str); 4] =
    [("N", "77", "77"), ("BYTES", "77", "77"), ("DURATION", "77s", "77s"), ("RATE", "77/s", "77/s")];

#[tokio::test]
async fn every_value_has_a_flag_that_reaches_it() {
    let config =
        ServerConfig::new("127.0.0.1:0".parse().unwrap(), StoreConfig::Memory, AuthConfig::DevNoAuth);
    // What is not one value of a kind: each is made of settings of its own (`identity.rs`, `configuration`).
    const COMPOSED: [&str; 16] = [
        "listen",
        "store",
        "auth",
        "identity",
        "event_policy",
        "cors",
        "public_url",
        "tls",
        "trusted_proxies",
        "web_root",
        "retention",
        "unknown_events",
        "metrics_listen",
        "request_tracing",
        "limits",
        "store_options",
    ];
    let fields = fields!(
        config.clone(),
        ServerConfig {
            listen,
            store,
            auth,
            identity,
            event_policy,
            cors,
            public_url,
            tls,
            trusted_proxies,
            web_root,
            retention,
            retention_interval,
            long_poll_timeout,
            sse_max_age,
            heartbeat,
            unknown_events,
            event_types,
            custom_events,
            presence_ttl,
            shutdown_deadline,
            reconnect_spread,
            subscriber_stall_max,
            metrics_listen,
            request_tracing,
            queued_retry_first,
            queued_retry_longest,
            queued_wait_max,
            coalesce_window,
            limits,
            store_options,
        }
    );
    let mut names: Vec<&str> = fields.into_iter().filter(|name| !COMPOSED.contains(name)).collect();
    // Shapes in code, and a list whose flag is in the singular.
    names.retain(|name| !["custom_events", "event_types"].contains(name));
    names.extend(fields!(
        config.limits,
        Limits {
            body_bytes_max,
            append_messages_max,
            page_bytes_max,
            sse_page_bytes_max,
            ring_bytes_max,
            rings_bytes_max,
            sse_subscribers_max,
            sse_subscribers_per_identity_max,
            requests_per_identity,
            requests_per_address,
            events_per_session,
            event_bytes_max,
            open_streams_per_identity_max,
            connections_max,
            head_bytes_max,
            url_bytes_max,
            header_read_timeout,
            body_read_timeout,
            subscriptions_max,
            subscription_streams_max,
            webhook_calls_max,
            bodies_bytes_max,
            unsent_bytes_max,
            append_attempts_max,
            append_retries_max,
            queued_appends_max,
            queued_bytes_max,
            queued_attempts_max,
            dead_letters_max,
            coalesce_bytes_max,
            sessions_max,
            session_members_max,
            event_ids_max,
            event_ids_cached_max,
            presence_users_max,
            presence_connections_max,
            presence_connections_per_user_max,
        }
    ));
    let of_store = fields!(
        config.store_options,
        StoreOptions {
            queue_len_max,
            queue_bytes_max,
            group_len_max,
            group_bytes_max,
            tail_window_bytes,
            tail_window_stream_bytes,
            producers_cached_max,
            attributes_bytes_max,
            stream_seq_len_max,
            engine_reads_max,
            memory_bytes_max,
            log_segment_bytes,
            block_cache_bytes,
            disk_free_bytes_min,
            recovery_attempts_max,
            sweep_interval,
            clock,
        }
    );
    names.extend(of_store.into_iter().filter(|name| *name != "clock"));

    let command = Command::command();
    for name in names {
        let flag = flag(name);
        let argument = command.get_arguments().find(|argument| argument.get_long() == Some(&flag));
        let argument = argument.unwrap_or_else(|| panic!("there is no --{flag}"));
        let kind = argument.get_value_names().unwrap()[0].as_str();
        let (_, value, shown) = VALUES.into_iter().find(|(of, ..)| *of == kind).unwrap();
        let settings = Settings { dev_no_auth: Some(true), ..settings(&flag, value) };
        let read = configuration(&settings).await.unwrap();
        let text = format!("{read:?}");
        let at = text.find(&format!(" {name}: ")).unwrap_or_else(|| panic!("{name} is not in {text}"));
        let is_read = if kind == "RATE" {
            // Rates keep what they were made of.
            !format!("{config:?}").contains(&text[at..at + 80])
        } else {
            text[at..].starts_with(&format!(" {name}: {shown}"))
        };
        assert!(is_read, "--{flag} {value}: {}", &text[at..at + 80]);
    }
}

/// The table of all settings. `UPDATE_SETTINGS=1` writes it.
#[test]
fn every_flag_is_in_the_documentation() {
    const BEGIN: &str = "<!-- settings: written by a test -->\n";
    const END: &str = "<!-- end of settings -->\n";
    let mut table = String::from("\n| flag, and key of the file | environment | |\n|---|---|---|\n");
    let command = Command::command();
    for argument in command.get_arguments() {
        let Some(flag) = argument.get_long() else { continue };
        let environment = argument.get_env().unwrap().to_str().unwrap();
        let help = argument.get_help().unwrap().to_string().replace('|', "\\|").replace('*', "\\*");
        table += &format!("| `--{flag}` | `{environment}` | {help} |\n");
    }
    table.push('\n');
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_SETTINGS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert!(
        found == table,
        "the settings in docs/operations.md are not those of `serve`: UPDATE_SETTINGS=1 writes them"
    );
}
