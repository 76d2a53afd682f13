//! How long the loser of a race waits before it tries again.

use std::time::Duration;

use uuid::Uuid;

const FIRST_MICROS: u64 = 500;
const LONGEST_MICROS: u64 = 50_000;

/// Waits a random time that grows with the attempts, so that losers do not meet again.
pub(crate) async fn pause(attempt: usize) {
    let ceiling = FIRST_MICROS
        .saturating_mul(1 << attempt.min(16))
        .min(LONGEST_MICROS);
    let random = u64::from_le_bytes(
        Uuid::new_v4()
            .into_bytes()
            .first_chunk()
            .copied()
            .unwrap_or_default(),
    );
    tokio::time::sleep(Duration::from_micros(random % (ceiling + 1))).await;
}
