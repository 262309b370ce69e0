//! News that could not be told yet, oldest first. Pure and bounded: what has no room is covered by one piece of news that
//! names no key, which others read as "doubt everything".

use std::collections::VecDeque;

/// News kept for later.
pub(super) const UNSAID_MAX: usize = 4_096;

/// What the others are to forget; without a key, everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    pub(super) cache: String,
    pub(super) key: Option<String>,
    pub(super) born_us: Option<u64>,
}

/// The list.
#[derive(Debug, Default)]
pub(super) struct Unsaid(VecDeque<News>);

impl Unsaid {
    /// Keeps it, or instead of all that is kept and of it, that everything is to be doubted.
    pub(super) fn keep(&mut self, news: News) {
        if self.0.len() < UNSAID_MAX {
            self.0.push_back(news);
            return;
        }
        self.0.clear();
        self.0.push_back(News { key: None, born_us: None, ..news });
    }

    /// What is to be said next.
    pub(super) fn first(&self) -> Option<News> {
        self.0.front().cloned()
    }

    /// This was said. It may not be there any more: the list may have run over meanwhile.
    pub(super) fn said(&mut self, news: &News) {
        if self.0.front() == Some(news) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(born_us: u64) -> News {
        News { cache: "equipment".to_owned(), key: Some("id".to_owned()), born_us: Some(born_us) }
    }

    #[test]
    fn a_list_that_runs_over_becomes_one_doubt() {
        let mut unsaid = Unsaid::default();
        for born_us in 0..UNSAID_MAX as u64 {
            unsaid.keep(news(born_us));
        }
        unsaid.said(&news(0));
        assert_eq!(unsaid.first(), Some(news(1)));
        unsaid.keep(news(7));
        unsaid.keep(news(8));
        let doubt = News { cache: "equipment".to_owned(), key: None, born_us: None };
        assert_eq!((unsaid.first(), unsaid.0.len()), (Some(doubt.clone()), 1));
        unsaid.keep(news(9));
        unsaid.said(&news(1));
        assert_eq!(
            unsaid.first(),
            Some(doubt.clone()),
            "what was on its way is not there any more"
        );
        unsaid.said(&doubt);
        assert_eq!(unsaid.first(), Some(news(9)));
    }
}
