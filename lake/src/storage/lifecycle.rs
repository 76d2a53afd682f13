//! What a bucket deletes by itself.

use std::fmt;

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule as SdkRule};

/// The lifecycle rules of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifecycle {
    /// The rules; often there are none.
    Rules(Vec<LifecycleRule>),
    /// The store would not say, and why.
    Unknown(String),
}

/// One lifecycle rule, as far as it deletes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LifecycleRule {
    /// The rule's name.
    pub id: String,
    /// Whether the store follows it.
    pub is_enabled: bool,
    /// The keys it is for start with this.
    pub prefix: String,
    /// Whether it is for some of these objects only, by tag or size.
    pub is_filtered: bool,
    /// When it deletes objects, in words.
    pub expires: Option<String>,
    /// Days after which it deletes former versions.
    pub noncurrent_days: Option<i32>,
    /// Days after which it deletes the parts of uploads that were never completed.
    pub abort_days: Option<i32>,
}

impl LifecycleRule {
    pub(super) fn from_sdk(rule: &SdkRule) -> Self {
        let filter = rule.filter();
        let and = filter.and_then(|filter| filter.and());
        let prefix = filter
            .and_then(|filter| filter.prefix())
            .or_else(|| and.and_then(|and| and.prefix()));
        #[expect(
            deprecated,
            reason = "stores still answer with the former place of the prefix"
        )]
        let prefix = prefix.or_else(|| rule.prefix()).unwrap_or_default();
        let is_filtered = and.is_some_and(|and| {
            !and.tags().is_empty()
                || and.object_size_greater_than().is_some()
                || and.object_size_less_than().is_some()
        }) || filter.is_some_and(|filter| {
            filter.tag().is_some()
                || filter.object_size_greater_than().is_some()
                || filter.object_size_less_than().is_some()
        });
        let expires = rule.expiration().and_then(|expiration| {
            let days = expiration.days().map(|days| format!("after {days} days"));
            days.or_else(|| expiration.date().map(|date| format!("on {date}")))
        });
        Self {
            id: rule.id().unwrap_or_default().to_owned(),
            is_enabled: *rule.status() == ExpirationStatus::Enabled,
            prefix: prefix.to_owned(),
            is_filtered,
            expires,
            noncurrent_days: rule
                .noncurrent_version_expiration()
                .and_then(|expiration| expiration.noncurrent_days()),
            abort_days: rule
                .abort_incomplete_multipart_upload()
                .and_then(|abort| abort.days_after_initiation()),
        }
    }

    /// Returns whether the rule deletes current objects below a folder of the bucket. Such a rule
    /// destroys tables: their logs go on naming files that are gone.
    pub fn deletes_below(&self, folder: &str) -> bool {
        self.is_enabled
            && self.expires.is_some()
            && (folder.starts_with(&self.prefix) || self.prefix.starts_with(folder))
    }

    /// Returns whether the rule removes abandoned uploads below a folder of the bucket.
    pub fn aborts_uploads_below(&self, folder: &str) -> bool {
        self.is_enabled
            && !self.is_filtered
            && self.abort_days.is_some()
            && folder.starts_with(&self.prefix)
    }
}

impl fmt::Display for LifecycleRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.id)?;
        if !self.is_enabled {
            f.write_str(" (disabled)")?;
        }
        if !self.prefix.is_empty() {
            write!(f, " below `{}`", self.prefix)?;
        }
        if self.is_filtered {
            f.write_str(" for some objects")?;
        }
        let mut lead = ":";
        if let Some(expires) = &self.expires {
            write!(f, "{lead} deletes objects {expires}")?;
            lead = ",";
        }
        if let Some(days) = self.noncurrent_days {
            write!(f, "{lead} deletes former versions after {days} days")?;
            lead = ",";
        }
        if let Some(days) = self.abort_days {
            write!(f, "{lead} deletes abandoned uploads after {days} days")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRuleFilter,
    };

    use super::*;

    fn rule(prefix: &str) -> LifecycleRule {
        let rule = SdkRule::builder()
            .id("old")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
            .expiration(LifecycleExpiration::builder().days(30).build())
            .abort_incomplete_multipart_upload(
                AbortIncompleteMultipartUpload::builder()
                    .days_after_initiation(7)
                    .build(),
            );
        LifecycleRule::from_sdk(&rule.build().unwrap())
    }

    #[test]
    fn a_rule_that_would_delete_tables_is_recognised() {
        assert!(rule("").deletes_below("lake/"));
        assert!(rule("la").deletes_below("lake/"));
        assert!(rule("lake/tmp/").deletes_below("lake/"));
        assert!(!rule("logs/").deletes_below("lake/"));
        assert!(rule("logs/").deletes_below(""));
        let disabled = LifecycleRule {
            is_enabled: false,
            ..rule("")
        };
        assert!(!disabled.deletes_below("lake/"));
    }

    #[test]
    fn a_rule_is_told_in_words() {
        assert_eq!(
            rule("lake/").to_string(),
            "`old` below `lake/`: deletes objects after 30 days, \
             deletes abandoned uploads after 7 days"
        );
        assert!(rule("lake/").aborts_uploads_below("lake/"));
        assert!(!rule("lake/tmp/").aborts_uploads_below("lake/"));
    }
}
