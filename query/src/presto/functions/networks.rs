//! Networks as text, in CIDR notation.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use datafusion::error::Result;

use super::shared::{Call, internal, invalid};
use crate::presto::opaque::{decode_ip_address, parse_ip_address};

/// `contains(network, address)`.
pub(super) fn contains(call: &Call<'_>) -> Result<ArrayRef> {
    let [networks, addresses] = call.arrays else {
        return Err(internal("contains takes two arguments"));
    };
    let networks = networks.as_string::<i32>();
    let addresses = addresses.as_fixed_size_binary();
    let found: Result<BooleanArray> = (0..call.rows)
        .map(|row| {
            if call.is_null(row) {
                return Ok(None);
            }
            let network = Network::parse(networks.value(row))?;
            let address = decode_ip_address(addresses.value(row));
            Ok(Some(network.contains(address)))
        })
        .collect();
    Ok(Arc::new(found?))
}

/// A network among the addresses of IPv6, where those of IPv4 are one.
struct Network {
    base: u128,
    /// The bits that its addresses share.
    mask: u128,
}

impl Network {
    fn parse(text: &str) -> Result<Self> {
        let (address, length) = text
            .split_once('/')
            .ok_or_else(|| invalid("Invalid CIDR"))?;
        let base = parse_ip_address(address);
        let base = u128::from(base.ok_or_else(|| invalid("Invalid network IP address"))?);
        let length: u32 = length
            .parse()
            .map_err(|_| invalid("Invalid prefix length"))?;
        let is_v4 = address.parse::<Ipv4Addr>().is_ok();
        let shared = if is_v4 {
            length.saturating_add(96)
        } else {
            length
        };
        let others = u128::BITS
            .checked_sub(shared)
            .ok_or_else(|| invalid("Invalid CIDR"))?;
        let mask = u128::MAX.checked_shl(others).unwrap_or(0);
        // Of IPv4, Trino wants the network's own address.
        if is_v4 && base & !mask != 0 {
            return Err(invalid("Invalid CIDR"));
        }
        Ok(Self {
            base: base & mask,
            mask,
        })
    }

    fn contains(&self, address: Ipv6Addr) -> bool {
        u128::from(address) & self.mask == self.base
    }
}
