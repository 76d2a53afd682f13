//! A limit on bytes per second.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Makes whoever moves bytes wait, so that all together stay below a rate.
#[derive(Debug)]
pub(super) struct Throttle {
    /// None means no limit.
    bytes_per_second: Option<u64>,
    /// When everything that was admitted so far has been paid for.
    paid_until: Mutex<Instant>,
}

impl Throttle {
    /// Returns a limit; 0 means none.
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: (bytes_per_second > 0).then_some(bytes_per_second),
            paid_until: Mutex::new(Instant::now()),
        }
    }

    /// Admits bytes once those admitted before are paid for.
    pub(super) async fn admit(&self, bytes: u64) {
        let now = Instant::now();
        let start = self.reserve(bytes, now);
        if start > now {
            tokio::time::sleep_until(start).await;
        }
    }

    /// Returns when bytes that are asked for now may move.
    fn reserve(&self, bytes: u64, now: Instant) -> Instant {
        let Some(rate) = self.bytes_per_second else {
            return now;
        };
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let mut paid_until = self.paid_until.lock();
        let start = (*paid_until).max(now);
        *paid_until = start + cost;
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_wait_for_those_before_them() {
        let throttle = Throttle::new(100);
        let begin = Instant::now();
        let wait = |bytes, now| throttle.reserve(bytes, now) - begin;
        assert_eq!(wait(250, begin), Duration::ZERO);
        assert_eq!(wait(50, begin), Duration::from_millis(2500));
        let later = begin + Duration::from_secs(1);
        assert_eq!(wait(1, later), Duration::from_secs(3));
        let idle = begin + Duration::from_secs(60);
        assert_eq!(throttle.reserve(1, idle), idle);
        assert_eq!(Throttle::new(0).reserve(u64::MAX, begin), begin);
    }
}
