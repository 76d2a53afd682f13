//! Pages of a long list, and links that keep the question.

use serde::Serialize;
use url::form_urlencoded::Serializer;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Paging {
    /// The page shown, from 1.
    page: u64,
    /// Pages there are; at least 1.
    pages: u64,
    /// Rows there are.
    total: u64,
    /// Position of the first row shown, from 1; 0 if there is none.
    first: u64,
    /// Position of the last row shown.
    last: u64,
    previous: Option<String>,
    next: Option<String>,
    #[serde(skip)]
    size: u64,
}

impl Paging {
    /// Returns the page that was `asked` for, or the nearest there is; links lead to `path` with `query`.
    pub(super) fn new(
        asked: Option<&str>,
        size: u64,
        total: u64,
        path: &str,
        query: &[(&str, &str)],
    ) -> Self {
        let pages = total.div_ceil(size).max(1);
        let page = asked
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(1)
            .clamp(1, pages);
        let link = |page: u64| {
            let mut text = Serializer::new(String::new());
            for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
                text.append_pair(name, value);
            }
            text.append_pair("page", &page.to_string());
            format!("{path}?{}", text.finish())
        };
        Self {
            page,
            pages,
            total,
            first: ((page - 1) * size + 1).min(total),
            last: (page * size).min(total),
            previous: (page > 1).then(|| link(page - 1)),
            next: (page < pages).then(|| link(page + 1)),
            size,
        }
    }

    /// Returns how many rows come before the page.
    pub(super) fn offset(&self) -> i64 {
        i64::try_from((self.page - 1) * self.size).unwrap_or(i64::MAX)
    }

    /// Returns how many rows a page has.
    pub(super) fn limit(&self) -> i64 {
        i64::try_from(self.size).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(asked: &str, total: u64) -> (Option<String>, Option<String>) {
        let query = [("origin", "J&K"), ("dest", ""), ("from", "2013-01-01")];
        let paging = Paging::new(Some(asked), 20, total, "/search", &query);
        (paging.previous, paging.next)
    }

    #[test]
    fn links_keep_the_question_and_end_with_the_list() {
        let to = |page: u64| Some(format!("/search?origin=J%26K&from=2013-01-01&page={page}"));
        assert_eq!(links("1", 41), (None, to(2)));
        assert_eq!(links("2", 41), (to(1), to(3)));
        assert_eq!(links("3", 41), (to(2), None));
        assert_eq!(links("999", 41), (to(2), None));
        assert_eq!(links("-4", 20), (None, None));
        assert_eq!(links("x", 0), (None, None));
    }

    #[test]
    fn positions_count_from_one() {
        let paging = Paging::new(Some("3"), 20, 41, "/", &[]);
        assert_eq!((paging.first, paging.last, paging.offset()), (41, 41, 40));
        let empty = Paging::new(None, 20, 0, "/", &[]);
        assert_eq!((empty.first, empty.last, empty.pages), (0, 0, 1));
    }
}
