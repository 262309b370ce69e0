//! Times to live while the store is away.

use chaos::services::Reply;
use maple_expectation::stores::redis::stretch::Towards;
use maple_expectation::stores::redis::stretch::stretch;

use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;

#[test]
fn row_131_what_the_store_would_have_is_kept_a_day_and_ends_in_its_time_again() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        for number in 0..2_500 {
            server.command(&["SET", &format!("equipment::{number}"), "x", "EX", "60"]).unwrap();
        }
        server.command(&["SET", "ocidNegativeCache::a", "x", "EX", "60"]).unwrap();
        server.command(&["SET", "lock:a", "x", "EX", "60"]).unwrap();
        let ttl = |key| match server.command(&["TTL", key]).unwrap() {
            Reply::Integer(seconds) => seconds,
            other => panic!("{other:?}"),
        };
        assert_eq!(stretch(&client, Towards::Longer).await, Ok(2_500));
        assert!(stretch(&client, Towards::Longer).await.is_ok(), "twice is as good as once");
        assert!((86_000..=86_400).contains(&ttl("equipment::7")));
        assert!(ttl("ocidNegativeCache::a") <= 60 && ttl("lock:a") <= 60);
        assert_eq!(stretch(&client, Towards::AsUsual).await, Ok(2_500));
        assert!((590..=600).contains(&ttl("equipment::7")));
    });
}
