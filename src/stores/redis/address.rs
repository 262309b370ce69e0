//! Where Redis is: `redis://[user:password@]host[:port][/db]`, or behind sentinels,
//! `redis+sentinel://[user:password@]host[:port],host[:port]/master-name[/db]`. Pure.
//! The login is that of the data servers; sentinels are asked without one. No TLS.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::secret::Secret;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Name or address, IPv6 without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// How the server that takes writes is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Master {
    /// It is this one.
    Fixed(Node),
    /// Sentinels know.
    Named {
        /// Those to ask, at least one.
        sentinels: Vec<Node>,
        /// What they call it.
        name: String,
    },
}

/// A whole address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The server that takes writes.
    pub master: Master,
    /// Number of the database there.
    pub database: u32,
    /// User; empty: the default one.
    pub user: String,
    /// Password; empty: none.
    pub password: Secret,
}

/// An address that is none. Shows no part of it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadAddress(&'static str);

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no Redis address: {}", self.0)
    }
}

impl std::error::Error for BadAddress {}

const REDIS_PORT: u16 = 6_379;
const SENTINEL_PORT: u16 = 26_379;

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(BadAddress("it has no scheme"))?;
        let (login, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (master, database) = match scheme {
            "redis" => (Master::Fixed(node(hosts, REDIS_PORT)?), path),
            "redis+sentinel" => {
                let (name, database) = path.split_once('/').unwrap_or((path, ""));
                if name.is_empty() {
                    return Err(BadAddress("the master's name is missing behind the sentinels"));
                }
                let sentinels = hosts.split(',').map(|host| node(host, SENTINEL_PORT));
                let sentinels = sentinels.collect::<Result<_, _>>()?;
                (Master::Named { sentinels, name: name.to_owned() }, database)
            }
            _ => return Err(BadAddress("the scheme is neither redis nor redis+sentinel")),
        };
        let database = if database.is_empty() { "0" } else { database };
        Ok(Self {
            master,
            database: database.parse().map_err(|_| BadAddress("the database is no number"))?,
            user: decoded(user)?,
            password: Secret::new(decoded(password)?),
        })
    }
}

fn node(text: &str, port: u16) -> Result<Node, BadAddress> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']').ok_or(BadAddress("a bracket is open"))?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    if host.is_empty() {
        return Err(BadAddress("a host is missing"));
    }
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_| BadAddress("a port is no port"))?,
        None if rest.is_empty() => port,
        None => return Err(BadAddress("something follows a bracket")),
    };
    Ok(Node { host: host.to_owned(), port })
}

fn decoded(text: &str) -> Result<String, BadAddress> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(Into::into).map_err(|_| BadAddress("the login is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Node {
        Node { host: host.to_owned(), port }
    }

    #[test]
    fn plain_addresses() {
        for (text, node, database) in [
            ("redis://cache", at("cache", 6_379), 0),
            ("redis://127.0.0.1:7000/3", at("127.0.0.1", 7_000), 3),
            ("redis://[::1]:7000/", at("::1", 7_000), 0),
            ("redis://[::1]", at("::1", 6_379), 0),
        ] {
            let found: Address = text.parse().unwrap();
            assert_eq!((found.master, found.database), (Master::Fixed(node), database), "{text}");
            assert!(found.user.is_empty() && found.password.is_empty(), "{text}");
        }
    }

    #[test]
    fn addresses_behind_sentinels() {
        let found: Address = "redis+sentinel://a:1,b,[::1]:3/main/2".parse().unwrap();
        let sentinels = vec![at("a", 1), at("b", 26_379), at("::1", 3)];
        assert_eq!(found.master, Master::Named { sentinels, name: "main".to_owned() });
        assert_eq!(found.database, 2);
    }

    #[test]
    fn logins_are_decoded_and_never_shown() {
        let found: Address = "redis://me:p%40ss:%2F@cache".parse().unwrap();
        assert_eq!((found.user.as_str(), found.password.reveal()), ("me", "p@ss:/"));
        let none: Address = "redis://:secret@cache".parse().unwrap();
        assert_eq!((none.user.as_str(), none.password.reveal()), ("", "secret"));
        assert!(!format!("{none:?}").contains("secret"));
        let error = "rediss://:secret@cache".parse::<Address>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, why) in [
            ("cache:6379", "scheme"),
            ("rediss://cache", "scheme"),
            ("redis://", "host"),
            ("redis://cache:port", "port"),
            ("redis://cache/x", "database"),
            ("redis://[::1", "bracket"),
            ("redis://[::1]x", "bracket"),
            ("redis://%ff@cache", "UTF-8"),
            ("redis+sentinel://a,b", "name"),
            ("redis+sentinel://a,,b/main", "host"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
