//! Layers and ranges: what wins, what is refused, what the refusal names.

use std::io::Write as _;

use super::*;
use crate::config::raw::Origin;

fn from_file(text: &str) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().expect("temporary file");
    file.write_all(text.as_bytes()).expect("write");
    let mut layers = Layers::defaults();
    layers.file(file.path())?;
    Config::check(&layers)
}

#[test]
fn the_defaults_are_valid() {
    let config = Config::check(&Layers::defaults()).expect("valid");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.upstream, Upstream::BuiltInSimulator);
    assert_eq!(config.fresh, Duration::from_secs(900));
}

#[test]
fn later_layers_win_and_say_where_they_are() {
    let mut layers = Layers::defaults();
    let variables = [("MAPLE_SERVER_SHARDS", "3"), ("NEXON_API_KEY", "k"), ("PATH", "x")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    layers.environment(variables).expect("known");
    layers.flag("server.shards", "--shards", Some("2".to_owned()));
    let config = Config::check(&layers).expect("valid");
    assert_eq!(config.shards, Some(2));
    assert_eq!(config.upstream, Upstream::At(REAL_UPSTREAM.to_owned()));
    assert_eq!(layers.get("server.shards").1, &Origin::Flag("--shards"));
    let printed = layers.print();
    assert!(
        printed.contains("api_key = \"***\"") && printed.contains("(--shards)\nshards = \"2\"")
    );
}

#[test]
fn inner_deadlines_give_way_to_a_shorter_outer_one() {
    let config = from_file("[server]\ndeadline = \"3s\"").expect("valid");
    let waits = [config.deadline, config.leader_deadline, config.follower_deadline];
    assert_eq!(waits.map(|wait| wait.as_millis()), [3_000, 2_800, 2_500]);
    let defaults = Config::check(&Layers::defaults()).expect("valid");
    assert!(defaults.deadline > defaults.leader_deadline);
    assert!(defaults.leader_deadline > defaults.follower_deadline);
    let call = defaults.upstream_connect_timeout + defaults.upstream_response_timeout;
    let attempts = call * defaults.retry_attempts + defaults.retry_base * 3;
    assert!(
        attempts < defaults.leader_deadline,
        "three attempts and their pauses fit: {attempts:?}"
    );
}

#[test]
fn what_config_print_shows_can_be_read_back() {
    let printed = Layers::defaults().print();
    from_file(&printed).expect("its own output");
}

#[test]
fn refusals_name_the_key_and_the_line() {
    let cases = [
        ("[server]\nshards = 999", "server.shards", 2),
        ("[server]\nlisten = \"nowhere\"", "server.listen", 2),
        ("\n[server]\nlissten = \"127.0.0.1:1\"", "server.lissten", 3),
        ("[serve]\nlisten = \"127.0.0.1:1\"", "serve.listen", 2),
        ("[cache]\nfresh = 15", "cache.fresh", 2),
        ("[cache]\nfresh = \"2h\"", "cache.stale", 0),
        ("[cache]\nfresh = [1]", "cache.fresh", 2),
        ("[upstream]\nurl = \"ftp://x\"", "upstream.url", 2),
        ("[server]\ndriver = \"kqueue\"", "server.driver", 2),
        ("listen = \"127.0.0.1:1\"", "listen", 1),
        ("[server]\nfollower_deadline = \"30s\"", "server.follower_deadline", 2),
        ("[upstream]\nleader_deadline = \"40s\"", "upstream.leader_deadline", 2),
        ("[upstream]\nretry_attempts = 0", "upstream.retry_attempts", 2),
        ("[upstream]\nconcurrency = 129", "upstream.concurrency", 2),
        ("[server\n", "syntax", 1),
    ];
    for (text, key, line) in cases {
        let error = from_file(text).expect_err(text);
        assert_eq!(error.key, key, "{error}");
        match error.origin {
            Origin::File { line: found, .. } => assert_eq!(found, line, "{text}"),
            Origin::Default => assert_eq!(line, 0, "{text}"),
            other => panic!("{other:?}"),
        }
    }
    let unknown = [("MAPLE_SERVER_LISTNE".to_owned(), String::new())];
    assert!(Layers::defaults().environment(unknown).is_err());
}
