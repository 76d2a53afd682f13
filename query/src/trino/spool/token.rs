//! The signed names of segments: whoever has one may fetch that segment until it expires.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

use super::SegmentId;
use crate::{Error, Result};

const ID_BYTES: usize = 16;
const NAME_BYTES: usize = ID_BYTES + 8;

/// Signs and checks.
#[derive(Debug)]
pub(super) struct Signer {
    key: hmac::Key,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Valid(SegmentId),
    Expired,
    Forged,
}

impl Signer {
    /// Returns a signer with this secret; with none, of one that is forgotten with the process.
    pub(super) fn new(secret: &str) -> Result<Self> {
        let mut random = [0_u8; 32];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| Error::Internal {
                message: "the system gives no random bytes".to_owned(),
            })?;
        let secret = if secret.is_empty() {
            random.as_slice()
        } else {
            secret.as_bytes()
        };
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        })
    }

    pub(super) fn sign(&self, segment: SegmentId) -> String {
        let mut token = Vec::with_capacity(NAME_BYTES + 32);
        token.extend_from_slice(segment.id.as_bytes());
        token.extend_from_slice(&segment.expires.to_be_bytes());
        let tag = hmac::sign(&self.key, &token);
        token.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(token)
    }

    pub(super) fn check(&self, token: &str) -> Verdict {
        let parse = || {
            let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
            let (name, tag) = bytes.split_at_checked(NAME_BYTES)?;
            hmac::verify(&self.key, name, tag).ok()?;
            let (id, expires) = name.split_at_checked(ID_BYTES)?;
            Some(SegmentId {
                id: Uuid::from_slice(id).ok()?,
                expires: u64::from_be_bytes(expires.try_into().ok()?),
            })
        };
        match parse() {
            None => Verdict::Forged,
            Some(segment) if segment.has_expired() => Verdict::Expired,
            Some(segment) => Verdict::Valid(segment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_it_expires_and_for_its_signer() {
        let signer = Signer::new("").unwrap();
        let segment = SegmentId {
            id: Uuid::new_v4(),
            expires: super::super::now() + 60,
        };
        let token = signer.sign(segment);
        assert_eq!(signer.check(&token), Verdict::Valid(segment));
        assert_eq!(Signer::new("").unwrap().check(&token), Verdict::Forged);
        let expired = SegmentId {
            expires: 1,
            ..segment
        };
        assert_eq!(signer.check(&signer.sign(expired)), Verdict::Expired);
        let shared = || Signer::new("shared by two processes").unwrap();
        assert_eq!(
            shared().check(&shared().sign(segment)),
            Verdict::Valid(segment)
        );
        for damaged in [
            "",
            "x",
            "äöü",
            &token[1..],
            &token.replace('A', "B").repeat(2),
        ] {
            assert_eq!(signer.check(damaged), Verdict::Forged, "{damaged}");
        }
    }
}
