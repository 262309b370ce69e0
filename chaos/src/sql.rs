//! A session with the database behind the servers, to count what they have left there.

use mysql_async::Conn;
use mysql_async::Opts;
use mysql_async::prelude::Queryable as _;

use crate::failure::Failure;
use crate::failure::Outcome;

/// One session.
pub(crate) struct Sql(Conn);

impl Sql {
    pub(crate) async fn open(url: &str) -> Outcome<Self> {
        Ok(Self(Conn::new(Opts::from_url(url)?).await?))
    }

    /// The number a query gives.
    pub(crate) async fn number(&mut self, query: &str) -> Outcome<u64> {
        let number = self.0.query_first(query).await?;
        number.ok_or_else(|| Failure::new(format!("nothing: {query}")))
    }
}
