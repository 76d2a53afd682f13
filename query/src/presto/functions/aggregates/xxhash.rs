//! xxHash of 64 bits.

pub(super) const PRIME_1: u64 = 0x9e37_79b1_85eb_ca87;
pub(super) const PRIME_2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME_3: u64 = 0x1656_67b1_9e37_79f9;
const PRIME_4: u64 = 0x85eb_ca77_c2b2_ae63;
const PRIME_5: u64 = 0x27d4_eb2f_1656_67c5;

/// Returns the 64-bit xxHash of bytes.
///
/// # Source
/// <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>
pub(super) fn xxhash64(bytes: &[u8]) -> u64 {
    let round = |acc: u64, lane: u64| {
        acc.wrapping_add(lane.wrapping_mul(PRIME_2))
            .rotate_left(31)
            .wrapping_mul(PRIME_1)
    };
    let lane = |chunk: &[u8]| {
        let mut lane = [0; 8];
        lane.iter_mut()
            .zip(chunk)
            .for_each(|(slot, byte)| *slot = *byte);
        u64::from_le_bytes(lane)
    };
    let (stripes, mut rest) = bytes.split_at(bytes.len() - bytes.len() % 32);
    let mut hash = if stripes.is_empty() {
        PRIME_5
    } else {
        let mut acc = [
            PRIME_1.wrapping_add(PRIME_2),
            PRIME_2,
            0,
            0_u64.wrapping_sub(PRIME_1),
        ];
        for stripe in stripes.chunks_exact(32) {
            for (acc, chunk) in acc.iter_mut().zip(stripe.chunks_exact(8)) {
                *acc = round(*acc, lane(chunk));
            }
        }
        let mut hash = acc
            .iter()
            .zip([1, 7, 12, 18])
            .fold(0_u64, |hash, (acc, turn)| {
                hash.wrapping_add(acc.rotate_left(turn))
            });
        for acc in acc {
            hash = (hash ^ round(0, acc))
                .wrapping_mul(PRIME_1)
                .wrapping_add(PRIME_4);
        }
        hash
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    while let Some((chunk, after)) = rest.split_at_checked(8) {
        hash = (hash ^ round(0, lane(chunk)))
            .rotate_left(27)
            .wrapping_mul(PRIME_1)
            .wrapping_add(PRIME_4);
        rest = after;
    }
    if let Some((chunk, after)) = rest.split_at_checked(4) {
        hash = (hash ^ lane(chunk).wrapping_mul(PRIME_1))
            .rotate_left(23)
            .wrapping_mul(PRIME_2)
            .wrapping_add(PRIME_3);
        rest = after;
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte).wrapping_mul(PRIME_5))
            .rotate_left(11)
            .wrapping_mul(PRIME_1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_specification() {
        assert_eq!(xxhash64(b""), 0xef46_db37_51d8_e999);
        assert_eq!(xxhash64(b"a"), 0xd24e_c4f1_a98c_6e5b);
        let long = b"Nobody inspects the spammish repetition";
        assert_eq!(xxhash64(long), 0xfbce_a83c_8a37_8bf1);
    }
}
