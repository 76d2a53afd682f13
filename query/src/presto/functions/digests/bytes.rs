//! Numbers out of bytes, the lowest byte first.

use datafusion::error::Result;

use super::refused;

/// Reads one number after another.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.first_chunk::<N>().ok_or_else(|| {
            refused(format!(
                "Range [{at}, {at} + {N}) out of bounds for length {}",
                self.bytes.len(),
                at = self.at
            ))
        })?;
        self.at += N;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.take()?))
    }

    pub(super) fn int(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.take()?))
    }

    pub(super) fn long(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.take()?))
    }

    pub(super) fn double(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.take()?))
    }

    /// Reads the one byte that says how the rest is written.
    pub(super) fn format(&mut self) -> Result<()> {
        match self.byte()? {
            0 => Ok(()),
            _ => Err(refused("Invalid format")),
        }
    }
}
