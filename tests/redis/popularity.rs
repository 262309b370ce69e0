//! What is asked for most.

use chaos::services::Reply;
use maple_expectation::stores::redis::popularity::NAMES_MAX;
use maple_expectation::stores::redis::popularity::Popularity;
use maple_expectation::stores::redis::popularity::day;

use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::unix_ms;

#[test]
fn batches_add_up_and_days_are_forgotten() {
    let server = redis();
    on_backplane(async {
        let popularity = Popularity::new(connected(&server.url()).await);
        let counts = |counts: &[(&str, u64)]| -> Vec<_> {
            counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        let today = day(unix_ms());
        popularity.add(&counts(&[("가", 3), ("나", 5)])).await.unwrap();
        popularity.add(&counts(&[("가", 4), ("다", 1)])).await.unwrap();
        popularity.add(&[]).await.unwrap();
        if today != day(unix_ms()) {
            return; // Midnight in Korea: the batches are of two days.
        }
        assert_eq!(popularity.top(&today, 2).await.unwrap(), ["가", "나"]);
        assert_eq!(popularity.top(&today, 9).await.unwrap().len(), 3);
        assert!(popularity.top(&today, 0).await.unwrap().is_empty());
        assert!(popularity.top("2001-01-01", 9).await.unwrap().is_empty());
        let ttl = server.command(&["TTL", &format!("popular:characters:{today}")]).unwrap();
        assert_eq!(ttl, Reply::Integer(172_800));
    });
}

#[test]
fn a_day_has_room_for_so_many_names_and_keeps_the_most_wanted() {
    let server = redis();
    on_backplane(async {
        let popularity = Popularity::new(connected(&server.url()).await);
        let today = day(unix_ms());
        let key = format!("popular:characters:{today}");
        let fill = "for i = 1, ARGV[1] do redis.call('ZADD', KEYS[1], 5, 'n' .. i) end";
        server.command(&["EVAL", fill, "1", &key, &NAMES_MAX.to_string()]).unwrap();
        popularity.add(&[("가".to_owned(), 9), ("나".to_owned(), 1)]).await.unwrap();
        if today != day(unix_ms()) {
            return; // Midnight in Korea: the batch is of another day.
        }
        let names = Reply::Integer(i64::try_from(NAMES_MAX).unwrap());
        assert_eq!(server.command(&["ZCARD", &key]).unwrap(), names);
        assert_eq!(popularity.top(&today, 1).await.unwrap(), ["가"]);
        let score = |name| server.command(&["ZSCORE", &key, name]).unwrap();
        assert!(matches!(score("가"), Reply::Text(_)));
        assert!(!matches!(score("나"), Reply::Text(_)), "the least wanted went");
    });
}
