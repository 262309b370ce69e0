//! Whether the Redis of what must not vanish may evict it: locks, leases, the queue. Looked at on each connection and
//! said in the log; a Redis that does not tell is taken as it is.

use crate::stores::redis::client::Again;
use crate::stores::redis::client::Client;
use crate::stores::redis::client::Trouble;

/// Looks and warns, once for each connection. Never ends.
pub(super) async fn watch(client: &Client) {
    let mut links = client.links();
    let mut seen = 0;
    loop {
        let newer = links.wait_for(|link| link.as_ref().is_some_and(|link| link.number != seen));
        let Ok(Some(number)) = newer.await.map(|link| link.as_ref().map(|link| link.number)) else {
            return;
        };
        seen = number;
        match evicts(client).await {
            Ok(Some(policy)) => tracing::warn!(
                policy,
                "Redis may evict locks and queued work: it needs maxmemory-policy noeviction"
            ),
            Ok(None) => {}
            Err(trouble) => tracing::debug!(%trouble, "Redis does not tell what it evicts"),
        }
    }
}

/// By which policy it evicts what is kept; none when it does not.
///
/// # Errors
/// [`Trouble`].
pub async fn evicts(client: &Client) -> Result<Option<String>, Trouble> {
    let info: String = client.command(Again::Safe, redis::cmd("INFO").arg("memory")).await?;
    Ok(policy(&info).map(str::to_owned))
}

fn policy(info: &str) -> Option<&str> {
    let field = |name| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let (bound, policy) = (field("maxmemory")?.trim(), field("maxmemory_policy")?.trim());
    (bound != "0" && policy != "noeviction").then_some(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bound_and_a_policy_together_evict() {
        let info = |bound, policy| {
            format!(
                "# Memory\r\nmaxmemory:{bound}\r\nmaxmemory_human:1\r\nmaxmemory_policy:{policy}\r\n"
            )
        };
        assert_eq!(policy(&info("1024", "allkeys-lru")), Some("allkeys-lru"));
        assert_eq!(policy(&info("0", "allkeys-lru")), None);
        assert_eq!(policy(&info("1024", "noeviction")), None);
        assert_eq!(policy("# Memory\r\n"), None, "it does not tell");
    }
}
